import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SpeechCache } from '../../../../src/voice/speech/cache.ts';
import { type SpeechDriver, SpeechFailure, type SpeechRequest } from '../../../../src/voice/speech/driver.ts';

const SECOND_BYTES = 16_000;

/** Makes a second of speech per request and counts. */
class CountingDriver implements SpeechDriver {
  readonly texts: string[] = [];
  fail = false;
  stopped = false;

  async synthesize({ text }: SpeechRequest): Promise<Int16Array> {
    this.texts.push(text);
    await Promise.resolve();
    if (this.fail) throw new SpeechFailure('crashed', 'told to');
    return new Int16Array(SECOND_BYTES / 2).fill(text.length);
  }

  stop(): Promise<void> {
    this.stopped = true;
    return Promise.resolve();
  }
}

function request(text: string, changes: Partial<SpeechRequest> = {}): SpeechRequest {
  return { text, voice: 1, speed: 0, volume: 100, ...changes };
}

describe('the speech cache', () => {
  it('asks the driver once for the same content, and again for another voice, speed or volume', async () => {
    const driver = new CountingDriver();
    const cache = new SpeechCache({ driver, engine: 'test', maxBytes: 1_000_000 });
    const first = await cache.synthesize(request('您好'));
    assert.equal(await cache.synthesize(request('您好')), first);
    assert.equal(driver.texts.length, 1);
    await cache.synthesize(request('您好', { voice: 2 }));
    await cache.synthesize(request('您好', { speed: 1 }));
    await cache.synthesize(request('您好', { volume: 99 }));
    assert.equal(driver.texts.length, 4);
  });

  it('lets requests at the same time share one synthesis, also without memory', async () => {
    const driver = new CountingDriver();
    const cache = new SpeechCache({ driver, engine: 'test', maxBytes: 0 });
    const made = await Promise.all([1, 2, 3].map(() => cache.synthesize(request('您好'))));
    assert.equal(driver.texts.length, 1);
    assert.equal(made[0], made[2]);
    await cache.synthesize(request('您好'));
    assert.equal(driver.texts.length, 2);
    assert.equal(cache.bytes, 0);
  });

  it('does not remember failures, and fails everyone who waited', async () => {
    const driver = new CountingDriver();
    const cache = new SpeechCache({ driver, engine: 'test', maxBytes: 1_000_000 });
    driver.fail = true;
    const results = await Promise.allSettled([cache.synthesize(request('您好')), cache.synthesize(request('您好'))]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    driver.fail = false;
    await cache.synthesize(request('您好'));
    assert.equal(driver.texts.length, 2);
  });

  it('stays within its bytes and keeps what is asked for again and again', async () => {
    const driver = new CountingDriver();
    const maxBytes = 10 * SECOND_BYTES;
    const cache = new SpeechCache({ driver, engine: 'test', maxBytes });
    for (let index = 0; index < 100; index++) {
      await cache.synthesize(request('常用'));
      await cache.synthesize(request(`${index}`));
      assert.ok(cache.bytes <= maxBytes);
    }
    assert.equal(driver.texts.filter((text) => text === '常用').length, 1);
    await cache.synthesize(request('0'));
    assert.equal(driver.texts.filter((text) => text === '0').length, 2);
  });

  it('does not throw everything out for one speech that is larger than it', async () => {
    const driver = new CountingDriver();
    const cache = new SpeechCache({ driver, engine: 'test', maxBytes: SECOND_BYTES });
    await cache.synthesize(request('長'));
    assert.equal(cache.bytes, 0);
  });

  it('stops its driver', async () => {
    const driver = new CountingDriver();
    await new SpeechCache({ driver, engine: 'test', maxBytes: 0 }).stop();
    assert.ok(driver.stopped);
  });
});
