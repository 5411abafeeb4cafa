import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { SpeechFailure } from '../../../../src/voice/speech/driver.ts';
import { HttpSpeech, type HttpSpeechOptions } from '../../../../src/voice/speech/http.ts';
import { makeWav } from '../../../unit/voice/speech/sample-wav.ts';

interface Asked {
  url: string | undefined;
  text: string;
}

describe('a speech service over HTTP', () => {
  let server: Server;
  let address = '';
  const asked: Asked[] = [];

  before(async () => {
    server = createServer((request, response) => void serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const part of request.setEncoding('utf8') as AsyncIterable<string>) text += part;
    asked.push({ url: request.url, text });
    if (request.url === '/hang') return;
    if (request.url === '/error') response.statusCode = 500;
    if (request.url === '/nonsense') response.end('<html>');
    else response.end(makeWav(new Int16Array(24_000).fill(10_000), { rateHz: 24_000 }));
  }

  async function say(options: HttpSpeechOptions, volume = 100): Promise<Int16Array> {
    const speech = new HttpSpeech(options);
    try {
      return await speech.synthesize({ text: '您好', voice: 3, speed: -2, volume });
    } finally {
      await speech.stop();
    }
  }

  async function failureOf(options: HttpSpeechOptions): Promise<string> {
    return await say(options).then(
      () => 'none',
      (error: SpeechFailure) => error.kind,
    );
  }

  it('is POSTed the text and told voice and speed, and its WAV becomes telephone audio', async () => {
    const samples = await say({ url: `${address}/say?who={voice}&rate={speed}` }, 40);
    assert.deepEqual(asked.at(-1), { url: '/say?who=3&rate=-2', text: '您好' });
    assert.equal(samples.length, 8000);
    assert.equal(samples[4000], 4000);
  });

  it('applies the volume itself when it is told it', async () => {
    const samples = await say({ url: `${address}/say?loudness={volume}` }, 40);
    assert.equal(asked.at(-1)?.url, '/say?loudness=40');
    assert.equal(samples[4000], 10_000);
  });

  it('fails its message when it is away, fails, hangs, talks nonsense or too much', async () => {
    assert.equal(await failureOf({ url: 'http://127.0.0.1:1/' }), 'crashed');
    assert.equal(await failureOf({ url: `${address}/error` }), 'crashed');
    assert.equal(await failureOf({ url: `${address}/hang`, timeoutMs: 200 }), 'timed-out');
    assert.equal(await failureOf({ url: `${address}/nonsense` }), 'unusable-audio');
    assert.equal(await failureOf({ url: `${address}/say`, maxWavBytes: 1000 }), 'unusable-audio');
  });

  it('is left in the middle of a message when speech is stopped', async () => {
    const speech = new HttpSpeech({ url: `${address}/hang` });
    const arrived = new Promise((resolve) => server.once('request', resolve));
    const saying = speech.synthesize({ text: 'x', voice: 1, speed: 0, volume: 100 });
    const failed = assert.rejects(saying, (error: SpeechFailure) => error.kind === 'stopped');
    await arrived;
    await speech.stop();
    await failed;
  });
});
