import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CommandSpeech, type CommandSpeechOptions, splitCommand } from '../../../../src/voice/speech/command.ts';
import type { SpeechFailure, SpeechRequest } from '../../../../src/voice/speech/driver.ts';

/** A speech program: a second of a level that its arguments and input decide, at 16,000 Hz. */
const PROGRAM = `
let text = '';
process.stdin.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => {
  if (text === 'environment') text = 'x'.repeat(Object.keys(process.env).filter((name) => name !== 'PATH' && name !== 'LANG').length);
  const data = new Int16Array(16000).fill(text.length * 1000 + Number(process.argv[1]) * 100 + Number(process.argv[2]));
  const head = Buffer.from('RIFF\\xff\\xff\\xff\\xffWAVEfmt \\x10\\0\\0\\0\\x01\\0\\x01\\0\\x80\\x3e\\0\\0\\0\\x7d\\0\\0\\x02\\0\\x10\\0data\\xff\\xff\\xff\\xff', 'latin1');
  process.stdout.write(head);
  process.stdout.write(Buffer.from(data.buffer));
});`;

async function middleOf(options: CommandSpeechOptions, request: SpeechRequest): Promise<number | undefined> {
  const speech = new CommandSpeech(options);
  try {
    const samples = await speech.synthesize(request);
    assert.equal(samples.length, 8000);
    return samples[4000];
  } finally {
    await speech.stop();
  }
}

function program(code: string, ...args: string[]): string[] {
  return [process.execPath, '-e', code, '--', ...args];
}

async function failureOf(options: CommandSpeechOptions): Promise<string> {
  const speech = new CommandSpeech(options);
  try {
    await speech.synthesize({ text: '您好', voice: 1, speed: 0, volume: 100 });
    return 'none';
  } catch (error) {
    return (error as SpeechFailure).kind;
  } finally {
    await speech.stop();
  }
}

describe('any program as a speech engine', () => {
  it('reads the text from its input, gets voice and speed as arguments, and its WAV becomes telephone audio', async () => {
    const command = program(PROGRAM, '{voice}', '{speed}');
    assert.equal(await middleOf({ command }, { text: '您好嗎', voice: 4, speed: -7, volume: 100 }), 3000 + 400 - 7);
  });

  it('is made quieter by Feige when it does not take the volume itself', async () => {
    const request: SpeechRequest = { text: '您好', voice: 1, speed: 0, volume: 50 };
    assert.equal(await middleOf({ command: program(PROGRAM, '{voice}', '{speed}') }, request), 1050);
    assert.equal(await middleOf({ command: program(PROGRAM, '{voice}', '{volume}') }, request), 2150);
    assert.equal(await middleOf({ command: program(PROGRAM, '{voice}', '{volume}') }, { ...request, volume: 0 }), 0);
  });

  it('sees nothing of the environment of the platform', async () => {
    const request: SpeechRequest = { text: 'environment', voice: 1, speed: 0, volume: 100 };
    assert.equal(await middleOf({ command: program(PROGRAM, '{voice}', '{speed}') }, request), 100);
  });

  it('is not run by a shell: placeholders and signs stay single arguments', async () => {
    const command = program("process.exit(process.argv[1] === '$(id) ; 1' ? 7 : 0)", '$(id) ; {voice}');
    const speech = new CommandSpeech({ command });
    await assert.rejects(speech.synthesize({ text: 'x', voice: 1, speed: 0, volume: 100 }), /ended with 7/);
    await speech.stop();
  });

  it('fails its message when it is missing, fails, hangs, talks nonsense or never ends', async () => {
    assert.equal(await failureOf({ command: ['/nonexistent/speech'] }), 'crashed');
    assert.equal(await failureOf({ command: program('process.exit(1)') }), 'crashed');
    assert.equal(await failureOf({ command: program("console.log('no wav')") }), 'unusable-audio');
    assert.equal(await failureOf({ command: program('setInterval(() => {}, 1000)'), timeoutMs: 500 }), 'timed-out');
    const endless = program('const more = () => process.stdout.write(Buffer.alloc(65536), more); more();');
    assert.equal(await failureOf({ command: endless, maxWavBytes: 1_000_000 }), 'unusable-audio');
  });

  it('is killed with what it started when speech is stopped', async () => {
    const code = "console.error(1); require('child_process').spawn('sleep', ['60'], { stdio: 'inherit' });";
    const speech = new CommandSpeech({ command: program(code) });
    const asked = speech.synthesize({ text: 'x', voice: 1, speed: 0, volume: 100 });
    const failed = assert.rejects(asked, (error: SpeechFailure) => error.kind === 'stopped');
    await speech.stop();
    await failed;
  });
});

describe('a configured command line', () => {
  it('is split at blanks, quotes keep theirs', () => {
    assert.deepEqual(splitCommand(`piper --model "a b.onnx" --name='x y' {voice}  `), [
      'piper',
      '--model',
      'a b.onnx',
      '--name=x y',
      '{voice}',
    ]);
    assert.deepEqual(splitCommand(`say ""`), ['say', '']);
  });
});
