/** A recording as the Voice API wants it (8,000 Hz, 8 bit, mono), a tone: silence could be skipped somewhere. */
const RATE_HZ = 8_000;
const TONE_HZ = 440;
const HEADER_BYTES = 44;
const PCM_ZERO = 128;
const AMPLITUDE = 60;

export function recordingFile(seconds: number): Uint8Array {
  const samples = seconds * RATE_HZ;
  const file = Buffer.alloc(HEADER_BYTES + samples);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(file.length - 8, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE_HZ, 24);
  file.writeUInt32LE(RATE_HZ, 28);
  file.writeUInt16LE(1, 32);
  file.writeUInt16LE(8, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(samples, 40);
  for (let at = 0; at < samples; at++) {
    file[HEADER_BYTES + at] = PCM_ZERO + Math.round(AMPLITUDE * Math.sin((2 * Math.PI * TONE_HZ * at) / RATE_HZ));
  }
  return file;
}
