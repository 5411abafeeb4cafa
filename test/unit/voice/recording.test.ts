/** Every recording the contract allows is taken; every other gets the contract's code, and nothing throws. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { writeWav } from '../../../src/base/wave-file.ts';
import { decodeG711, PCMA, PCMU } from '../../../src/sip/g711.ts';
import { MAX_RECORDING_BYTES, parseRecording } from '../../../src/voice/recording.ts';
import { mutated } from '../sip/mutated.ts';

const FUZZED_FILES = 200_000;
const PCM = 1;
const MU_LAW = 7;
const A_LAW = 6;
const EXTENSIBLE = 0xfffe;
const AUDIO = Buffer.from([0, 1, 127, 128, 129, 255]);

interface Fields {
  tag: number;
  channels: number;
  rate: number;
  bits: number;
  blockAlign: number;
}

const GOOD: Fields = { tag: PCM, channels: 1, rate: 8_000, bits: 8, blockAlign: 1 };

/** @param declared the size the chunk claims to have; its own when absent */
function chunk(id: string, content: Buffer, declared = content.length): Buffer {
  const header = Buffer.alloc(8);
  header.write(id, 'latin1');
  header.writeUInt32LE(declared, 4);
  return Buffer.concat([header, content, Buffer.alloc(content.length % 2)]);
}

function fields(format: Partial<Fields> = {}): Buffer {
  const { tag, channels, rate, bits, blockAlign } = { ...GOOD, ...format };
  const content = Buffer.alloc(16);
  content.writeUInt16LE(tag, 0);
  content.writeUInt16LE(channels, 2);
  content.writeUInt32LE(rate, 4);
  content.writeUInt32LE(rate * blockAlign, 8);
  content.writeUInt16LE(blockAlign, 12);
  content.writeUInt16LE(bits, 14);
  return content;
}

function extensible(subFormat: string): Buffer {
  const extension = Buffer.concat([Buffer.from('16000800', 'hex'), Buffer.from('04000000', 'hex')]);
  return Buffer.concat([fields({ tag: EXTENSIBLE }), extension, Buffer.from(subFormat, 'hex')]);
}

function riff(chunks: readonly Buffer[], declared?: number): Buffer {
  const body = Buffer.concat([Buffer.from('WAVE'), ...chunks]);
  const header = Buffer.alloc(8);
  header.write('RIFF', 'latin1');
  header.writeUInt32LE(declared ?? body.length, 4);
  return Buffer.concat([header, body]);
}

function wav(format: Partial<Fields> = {}, audio = AUDIO): Buffer {
  return riff([chunk('fmt ', fields(format)), chunk('data', audio)]);
}

function samplesOf(file: Buffer): number[] {
  const recording = parseRecording(file);
  assert.ok(recording.ok, recording.ok ? '' : `refused with ${recording.code}`);
  return [...recording.samples];
}

function codeOf(file: Buffer): number {
  const recording = parseRecording(file);
  return recording.ok ? 0 : recording.code;
}

const AUDIO_SAMPLES = [-32_768, -32_512, -256, 0, 256, 32_512];
const GUID_TAIL = '000000001000800000aa00389b71';

test('8-bit PCM is unsigned, and comes out at full scale', () => {
  assert.deepEqual(samplesOf(wav()), AUDIO_SAMPLES);
});

test('A-law and µ-law are decoded by their own tables', () => {
  assert.deepEqual(samplesOf(wav({ tag: A_LAW })), [...decodeG711(PCMA, AUDIO)]);
  assert.deepEqual(samplesOf(wav({ tag: MU_LAW })), [...decodeG711(PCMU, AUDIO)]);
});

test('WAVE_FORMAT_EXTENSIBLE is what its SubFormat says', () => {
  const file = (subFormat: string): Buffer => riff([chunk('fmt ', extensible(subFormat)), chunk('data', AUDIO)]);
  assert.deepEqual(samplesOf(file(`0100${GUID_TAIL}`)), AUDIO_SAMPLES);
  assert.deepEqual(samplesOf(file(`0600${GUID_TAIL}`)), [...decodeG711(PCMA, AUDIO)]);
  assert.deepEqual(samplesOf(file(`0700${GUID_TAIL}`)), [...decodeG711(PCMU, AUDIO)]);
  assert.equal(codeOf(file(`0300${GUID_TAIL}`)), -11, 'floats');
  assert.equal(codeOf(file(`0100${'ff'.repeat(14)}`)), -11, 'a GUID of another family');
  const bare = riff([chunk('fmt ', fields({ tag: EXTENSIBLE })), chunk('data', AUDIO)]);
  assert.equal(codeOf(bare), -11, 'no SubFormat at all');
});

test('other chunks are skipped, before the format and after it, odd ones with their padding', () => {
  const list = chunk('LIST', Buffer.from('INFOodd'));
  const files = [
    riff([list, chunk('fmt ', fields()), chunk('data', AUDIO)]),
    riff([chunk('fmt ', fields()), list, chunk('fact', Buffer.alloc(4)), chunk('data', AUDIO)]),
    riff([chunk('fmt ', Buffer.concat([fields(), Buffer.alloc(3)])), chunk('data', AUDIO), list]),
    Buffer.concat([wav(), Buffer.from('what an editor left behind')]),
  ];
  for (const [index, file] of files.entries()) assert.deepEqual(samplesOf(file), AUDIO_SAMPLES, `file ${index}`);
});

test('samples of an odd number need no padding at the end of the file', () => {
  const odd = wav({}, AUDIO.subarray(0, 5));
  assert.deepEqual(samplesOf(odd), AUDIO_SAMPLES.slice(0, 5));
  assert.deepEqual(samplesOf(odd.subarray(0, -1)), AUDIO_SAMPLES.slice(0, 5));
});

test('a file that was written to a pipe goes to its end', () => {
  const streamed = (riffSize: number, dataSize: number): Buffer =>
    riff([chunk('fmt ', fields()), chunk('data', AUDIO, dataSize)], riffSize);
  assert.deepEqual(samplesOf(streamed(0xffff_ffff, 0xffff_ffff)), AUDIO_SAMPLES, 'as ffmpeg does');
  assert.deepEqual(samplesOf(streamed(0x7fff_f024, 0x7fff_f000)), AUDIO_SAMPLES, 'as sox does');
  assert.deepEqual(samplesOf(streamed(0, 0)), AUDIO_SAMPLES, 'a header of zeros');
  assert.deepEqual(samplesOf(streamed(36, 0)), AUDIO_SAMPLES, 'the header of an empty file');
  assert.deepEqual(samplesOf(streamed(0, AUDIO.length)), AUDIO_SAMPLES, "only RIFF's own size is missing");
});

test('what is no WAVE file is -10', () => {
  const format = chunk('fmt ', fields());
  const files: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    'a web page': Buffer.from('<!doctype html><html><body>404</body></html>'),
    'an MP3': Buffer.from('494433030000000000215453534500000010', 'hex'),
    'RIFF alone': Buffer.from('RIFF\0\0\0\0'),
    'another RIFF': Buffer.concat([Buffer.from('RIFF\x24\0\0\0AVI '), wav().subarray(12)]),
    'big-endian RIFX': Buffer.concat([Buffer.from('RIFX'), wav().subarray(4)]),
    'no chunks': riff([]),
    'no format': riff([chunk('data', AUDIO)]),
    'the format after the samples': riff([chunk('data', AUDIO), format]),
    'no samples chunk': riff([format]),
    'two formats': riff([format, chunk('fmt ', fields({ tag: A_LAW })), chunk('data', AUDIO)]),
    'a format too short': riff([chunk('fmt ', fields().subarray(0, 14)), chunk('data', AUDIO)]),
    'hundreds of chunks': riff([
      ...Array.from({ length: 300 }, () => chunk('junk', Buffer.alloc(0))),
      format,
      chunk('data', AUDIO),
    ]),
  };
  for (const [what, file] of Object.entries(files)) assert.equal(codeOf(file), -10, what);
});

test('a WAVE file of another format is -11, even when it is damaged as well', () => {
  const formats: Record<string, Partial<Fields>> = {
    'CD rate': { rate: 44_100 },
    stereo: { channels: 2, blockAlign: 2 },
    'no channel': { channels: 0 },
    '16 bit': { bits: 16, blockAlign: 2 },
    'MP3 inside': { tag: 0x55 },
    float: { tag: 3, bits: 32, blockAlign: 4 },
    'a block of nothing': { blockAlign: 0 },
    '16-bit A-law': { tag: A_LAW, bits: 16, blockAlign: 2 },
  };
  for (const [what, format] of Object.entries(formats)) {
    assert.equal(codeOf(wav(format)), -11, what);
    assert.equal(codeOf(wav(format).subarray(0, -3)), -11, `${what}, cut off`);
  }
  assert.equal(codeOf(writeWav(Int16Array.of(1, 2, 3))), -11, 'our own 16-bit files');
});

test('a recording that is cut off or holds nothing is -12', () => {
  const whole = wav();
  assert.equal(codeOf(whole.subarray(0, -1)), -12, 'one sample is missing');
  assert.equal(codeOf(whole.subarray(0, 40)), -12, 'cut within the header of the samples');
  assert.equal(codeOf(whole.subarray(0, 30)), -12, 'cut within the format');
  assert.equal(codeOf(wav({}, Buffer.alloc(0))), -12, 'empty');
  const emptyThenMore = riff([chunk('fmt ', fields()), chunk('data', Buffer.alloc(0)), chunk('LIST', Buffer.alloc(8))]);
  assert.equal(codeOf(emptyThenMore), -12, 'empty, with a chunk after it');
  const endless = riff([chunk('fmt ', fields()), chunk('data', Buffer.alloc(0), 0xffff_ffff)], 0xffff_ffff);
  assert.equal(codeOf(endless), -12, 'a stream of nothing');
  assert.equal(
    codeOf(riff([chunk('LIST', Buffer.alloc(4), 0xffff_fff0), chunk('fmt ', fields())])),
    -12,
    'a huge chunk',
  );
});

test('10 minutes are taken; a sample more, or more than 6 MB, is -12', () => {
  const tenMinutes = 600 * 8_000;
  const longest = parseRecording(wav({}, Buffer.alloc(tenMinutes, 128)));
  assert.equal(longest.ok && longest.samples.length, tenMinutes);
  assert.equal(codeOf(wav({}, Buffer.alloc(tenMinutes + 1, 128))), -12);
  const bulky = riff([chunk('fmt ', fields()), chunk('LIST', Buffer.alloc(MAX_RECORDING_BYTES)), chunk('data', AUDIO)]);
  assert.equal(codeOf(bulky), -12);
});

test('any samples in any welcome coding come through', () => {
  const audio = fc.uint8Array({ minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(audio, fc.constantFrom(PCM, A_LAW, MU_LAW), (bytes, tag) => {
      assert.equal(samplesOf(wav({ tag }, Buffer.from(bytes))).length, bytes.length);
    }),
    { numRuns: 500 },
  );
});

test('damaged files are taken or refused, and never throw', () => {
  const good = [
    wav(),
    wav({ tag: MU_LAW }),
    riff([chunk('fmt ', extensible(`0100${GUID_TAIL}`)), chunk('data', AUDIO)]),
    riff([chunk('LIST', Buffer.alloc(7)), chunk('fmt ', fields()), chunk('data', AUDIO, 0xffff_ffff)], 0),
  ];
  const codes = new Map<number, number>();
  for (const file of mutated(good, FUZZED_FILES, 33)) {
    const recording = parseRecording(file);
    const code = recording.ok ? 0 : recording.code;
    if (recording.ok) assert.ok(recording.samples.length > 0 && recording.samples.length <= file.length);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  for (const code of [0, -10, -11, -12])
    assert.ok((codes.get(code) ?? 0) > FUZZED_FILES / 200, `${code} was hardly met`);
});
