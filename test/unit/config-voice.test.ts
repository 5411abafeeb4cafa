import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig, type VoiceConfig } from '../../src/config.ts';

function load(env: Record<string, string>): VoiceConfig {
  const loaded = loadConfig(env);
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.mistakes.join('\n'));
  return loaded.config.voice;
}

function mistakesOf(env: Record<string, string>): string[] {
  const loaded = loadConfig(env);
  assert.ok(!loaded.ok, `${JSON.stringify(env)} was taken`);
  return loaded.mistakes;
}

test('without settings calls go to Taiwan only, over loopback, and speech is eSpeak NG', () => {
  const voice = load({});
  assert.deepEqual(voice.allowedPrefixes, ['886']);
  assert.equal(voice.bindAddress, '127.0.0.1');
  assert.equal(voice.ringTimeoutMs, 30_000);
  assert.deepEqual(voice.rtpPorts, { first: 20_000, last: 29_999 });
  assert.deepEqual([voice.publicAddress, voice.speechCommand, voice.speechUrl], [undefined, undefined, undefined]);
});

test('every voice setting is read', () => {
  const voice = load({
    VOICE_PRICES: '*=1/6',
    VOICE_ALLOWED_PREFIXES: '886,852',
    RING_TIMEOUT_S: '45',
    SIP_HOST: '0.0.0.0',
    SIP_PORT: '5070',
    SIP_PUBLIC_ADDRESS: '198.51.100.7',
    RTP_PORTS: '40000-40099',
    SPEECH_COMMAND: 'say --wav',
    SPEECH_CACHE_MB: '1',
  });
  assert.deepEqual(voice.tariffs.otherwise, { points: 1, unitSeconds: 6 });
  assert.deepEqual(voice.allowedPrefixes, ['886', '852']);
  assert.deepEqual([voice.bindAddress, voice.sipPort, voice.publicAddress], ['0.0.0.0', 5_070, '198.51.100.7']);
  assert.deepEqual([voice.ringTimeoutMs, voice.speechCacheBytes], [45_000, 1_048_576]);
  assert.deepEqual(voice.rtpPorts, { first: 40_000, last: 40_099 });
  assert.equal(voice.speechCommand, 'say --wav');
});

for (const [name, value] of [
  ['VOICE_PRICES', '886=2'],
  ['VOICE_ALLOWED_PREFIXES', '+886'],
  ['RING_TIMEOUT_S', '0'],
  ['SIP_HOST', 'pbx.example'],
  ['SIP_PUBLIC_ADDRESS', 'pbx.example'],
  ['SIP_PORT', '65536'],
  ['RTP_PORTS', '20000'],
  ['RTP_PORTS', '30000-20000'],
  ['RTP_PORTS', '80-90'],
  ['SPEECH_URL', 'ftp://x.test/'],
  ['CALLS_PER_ACCOUNT', '0'],
  ['TELEPHONE_PORT', '8080'],
] as const) {
  test(`${name}=${value} is refused by name`, () => {
    const mistakes = mistakesOf({ [name]: value });
    assert.equal(mistakes.length, 1);
    assert.ok(mistakes[0]?.startsWith(name), mistakes.join());
  });
}

test('SPEECH_COMMAND and SPEECH_URL exclude each other', () => {
  assert.equal(mistakesOf({ SPEECH_COMMAND: 'a', SPEECH_URL: 'http://a.test/' }).length, 1);
});
