import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallbackDelivery } from '../../src/callback/deliver.ts';
import { type CallbackHolder, claimOpen, type ReceiptCallback, releaseCallbacksOf } from '../../src/store/outbox.ts';
import { ok, useCallbackStages } from '../harness/callback-stages.ts';

const { clock, customer, database, events, owe, rows, rowsBecome, stage } = useCallbackStages();

/** As a settling statement does it: the callbacks are the holder's from the start. */
async function oweClaimed(holder: CallbackHolder, url: string, count: number): Promise<ReceiptCallback[]> {
  await owe(url, count);
  const { claimed } = await claimOpen(database(), {
    epoch: holder.epoch,
    nowMs: clock().now(),
    limit: count,
    fullHosts: [],
  });
  return claimed.filter((callback) => callback.kind === 'receipt');
}

/** Given as soon as the stage has seen that nothing waits. */
async function holderOf(delivery: CallbackDelivery): Promise<CallbackHolder> {
  for (;;) {
    const holder = delivery.holder();
    if (holder) return holder;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('callbacks that were claimed for the stage are delivered without a claim of its own', async () => {
  const server = await customer(ok);
  const { delivery } = stage();
  const holder = await holderOf(delivery);
  assert.equal(holder.epoch, 1);
  holder.take(await oweClaimed(holder, server.url, 20));
  await rowsBecome((found) => found.length === 0);
  assert.equal(server.requests.length, 20);
  assert.equal((await events()).length, 20);
});

test('what was claimed for the stage by a statement whose answer was lost is found, and delivered once', async () => {
  const server = await customer(ok);
  const { delivery } = stage();
  const [lost, other] = [await holderOf(delivery), await holderOf(delivery)];
  await oweClaimed(lost, server.url, 5);
  const handed = await oweClaimed(other, server.url, 5);
  lost.lost();
  assert.equal(delivery.holder(), undefined, 'none while strays are to be looked for');
  other.take(handed);
  delivery.wake();
  await rowsBecome((found) => found.length === 0);
  assert.equal(new Set(server.requests).size, 10);
  assert.equal(server.requests.length, 10);
});

test('what was claimed for an epoch that has ended stays for whoever takes it over', async () => {
  const server = await customer(ok);
  const { delivery, lease } = stage();
  const holder = await holderOf(delivery);
  const claimed = await oweClaimed(holder, server.url, 3);
  lease.current = undefined;
  holder.take(claimed);
  assert.equal(delivery.holder(), undefined);
  lease.current = 2;
  // As the take-over does it, again and again: a claim under way can be committed after the first time.
  while ((await rows()).length > 0) await releaseCallbacksOf(database(), 1);
  assert.equal(new Set(server.requests).size, 3);
});

test('more than a host may hold at once goes to its parked lane, and goes out too', async () => {
  const server = await customer(ok);
  const { delivery } = stage();
  const holder = await holderOf(delivery);
  holder.take(await oweClaimed(holder, server.url, 1_500));
  await rowsBecome((found) => found.length === 0);
  assert.equal(new Set(server.requests).size, 1_500);
});
