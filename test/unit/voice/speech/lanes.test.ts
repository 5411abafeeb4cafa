import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SpeechFailure } from '../../../../src/voice/speech/driver.ts';
import { SpeechLanes } from '../../../../src/voice/speech/lanes.ts';

function kindIs(kind: string): (error: SpeechFailure) => boolean {
  return (error) => error.kind === kind;
}

describe('lanes', () => {
  it('run no more tasks at a time than there are lanes, oldest first, a failure included', async () => {
    const lanes = new SpeechLanes({ lanes: 2, maxWaiting: 100 });
    const order: number[] = [];
    let running = 0;
    let most = 0;
    const tasks = Array.from({ length: 20 }, (_, index) =>
      lanes.run(async () => {
        order.push(index);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        if (index % 3 === 0) throw new Error('told to');
      }),
    );
    await Promise.allSettled(tasks);
    assert.equal(most, 2);
    assert.deepEqual(
      order,
      Array.from({ length: 20 }, (_, index) => index),
    );
  });

  it('refuse what would wait behind too many, and what waits at their end', async () => {
    const lanes = new SpeechLanes({ lanes: 1, maxWaiting: 1 });
    let finish = (): void => undefined;
    const running = lanes.run(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    const waiting = lanes.run(() => Promise.resolve('never'));
    await assert.rejects(
      lanes.run(() => Promise.resolve()),
      kindIs('busy'),
    );
    const stopped = lanes.stop();
    await assert.rejects(waiting, kindIs('stopped'));
    finish();
    await Promise.all([running, stopped]);
    await assert.rejects(
      lanes.run(() => Promise.resolve()),
      kindIs('stopped'),
    );
  });
});
