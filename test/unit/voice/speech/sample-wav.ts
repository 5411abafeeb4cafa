/** WAV files made by hand for tests, right ones and wrong ones. */

export interface SampleWavOptions {
  rateHz: number;
  channels?: number;
  bits?: number;
  tag?: number;
  /** What the data chunk claims, and the file, when its writer knew neither size. */
  dataSize?: number;
  /** Chunks before the data. */
  before?: Buffer;
}

/** @param samples interleaved, 16 bit */
export function makeWav(samples: readonly number[] | Int16Array, options: SampleWavOptions): Buffer {
  const { rateHz, channels = 1, bits = 16, tag = 1, before = Buffer.alloc(0) } = options;
  const data = Buffer.alloc(samples.length * 2);
  samples.forEach((sample, index) => {
    data.writeInt16LE(sample, index * 2);
  });
  const format = Buffer.alloc(24);
  format.write('fmt ', 'latin1');
  format.writeUInt32LE(16, 4);
  format.writeUInt16LE(tag, 8);
  format.writeUInt16LE(channels, 10);
  format.writeUInt32LE(rateHz, 12);
  format.writeUInt32LE((rateHz * channels * 2) >>> 0, 16);
  format.writeUInt16LE(channels * 2, 20);
  format.writeUInt16LE(bits, 22);
  const header = Buffer.alloc(8);
  header.write('data', 'latin1');
  header.writeUInt32LE(options.dataSize ?? data.length, 4);
  const riff = Buffer.from('RIFF\0\0\0\0WAVE', 'latin1');
  riff.writeUInt32LE(options.dataSize ?? 4 + format.length + before.length + header.length + data.length, 4);
  return Buffer.concat([riff, format, before, header, data]);
}
