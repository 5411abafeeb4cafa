/**
 * A tenth of the long run (`npm run test:fuzz`), and half of it for the parsers of SIP and RTP, with a seed of its own
 * each time, which is printed. What did harm is kept in test/fuzz/failures and fed first the next time.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { faultsOf } from './judge.ts';
import { mutant, randomOfInput } from './mutation.ts';
import { runFuzz } from './run.ts';
import type { FuzzTarget } from './target.ts';
import { callTargets, messageTargets } from './targets.ts';

const INPUTS = 100_000;
/** To each of SIP and RTP, which read a million together. */
const DATAGRAMS = 500_000;
/** Where the long run keeps them too: either feeds first what the other found. */
const FAILURES = fileURLToPath(new URL('failures/', import.meta.url));
const seed = 1 + Math.floor(Math.random() * 0x7ffffffe);

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'feige-fuzz-'));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe(`damaged inputs with seed ${seed}`, () => {
  const plans = [
    ...messageTargets().map((target) => ({ target, inputs: INPUTS })),
    ...callTargets().map((target) => ({ target, inputs: DATAGRAMS })),
  ];
  for (const { target, inputs } of plans) {
    test(`${inputs * target.share} at the ${target.name} do no harm`, async () => {
      const reports = await runFuzz({ targets: [target], inputs, seed, failures: FAILURES });
      assert.deepEqual(reports.flatMap(faultsOf), []);
    });
  }
});

test('the same seed makes the same inputs, another makes others', () => {
  const [target] = messageTargets();
  assert.ok(target);
  const made = (from: number): string =>
    Array.from({ length: 50 }, (_, n) => mutant(target.seeds, randomOfInput(from, n)).toString('hex')).join();
  assert.equal(made(7), made(7));
  assert.notEqual(made(7), made(8));
});

test('a batch that did harm is kept, fed first the next time, and forgotten when it does none', async () => {
  const fed: string[] = [];
  let harmful = true;
  const fragile: FuzzTarget = {
    name: 'fragile',
    share: 1,
    seeds: { inputs: [Buffer.from('a')], spice: [Buffer.from('b')] },
    start: async () => ({
      verdicts: { good: 0, broken: 0 },
      feed: async (inputs) => {
        fed.push(inputs.map((input) => input.toString('hex')).join());
        if (harmful) throw new Error('it broke');
      },
      stop: async () => {},
    }),
  };
  await inDirectory(async (failures) => {
    const plan = { targets: [fragile], inputs: 10, failures };
    const [first] = await runFuzz({ ...plan, seed: 1 });
    assert.match(first?.faults.join() ?? '', /it broke/);
    assert.deepEqual(await readdir(failures), ['fragile-1-0.hex']);
    harmful = false;
    const [second] = await runFuzz({ ...plan, seed: 2 });
    assert.deepEqual([second?.replayed, second?.faults], [1, []]);
    assert.equal(fed[1], fed[0]);
    assert.deepEqual(await readdir(failures), []);
  });
});

test('a batch at which the process stands still is kept, and the process ended', async () => {
  await inDirectory(async (failures) => {
    const run = new URL('./run.ts', import.meta.url);
    const script = `
      import { runFuzz } from ${JSON.stringify(run.href)};
      const feed = async () => { for (;;); };
      const start = async () => ({ verdicts: { good: 0, broken: 0 }, feed, stop: async () => {} });
      const seeds = { inputs: [Buffer.from('a')], spice: [Buffer.from('b')] };
      const targets = [{ name: 'stuck', share: 1, seeds, start }];
      await runFuzz({ targets, inputs: 10, seed: 1, failures: process.argv[1], stuckAfterMs: 200 });
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script, failures], {
      stdio: 'pipe',
      // Of another signal than the one that is expected.
      timeout: 20_000,
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    assert.equal(signal, 'SIGKILL', said);
    assert.match(said, /stood still for 200 ms/);
    assert.deepEqual(await readdir(failures), ['stuck-1-0.hex']);
  });
});
