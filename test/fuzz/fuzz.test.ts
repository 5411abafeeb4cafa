/** A tenth of the long run (`npm run test:fuzz`) with a seed of its own each time, which is printed. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { faultsOf } from './judge.ts';
import { mutant, randomOfInput } from './mutation.ts';
import { runFuzz } from './run.ts';
import type { FuzzTarget } from './target.ts';
import { fuzzTargets } from './targets.ts';

const INPUTS = 100_000;
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
  for (const target of fuzzTargets()) {
    test(`${INPUTS * target.share} at the ${target.name} do no harm`, async () => {
      await inDirectory(async (failures) => {
        const reports = await runFuzz({ targets: [target], inputs: INPUTS, seed, failures });
        assert.deepEqual(reports.flatMap(faultsOf), []);
      });
    });
  }
});

test('the same seed makes the same inputs, another makes others', () => {
  const [target] = fuzzTargets();
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
