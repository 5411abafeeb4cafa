/**
 * A tenth of the long run (`npm run test:fuzz`), and half of it for the parsers of SIP and RTP, with a seed of its own
 * each time, which is printed. What did harm is kept in test/fuzz/corpus/finds; what is there is fed first.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { readFinds } from './finds.ts';
import { faultsOf } from './judge.ts';
import { mutant, randomOfInput } from './mutation.ts';
import { runFuzz } from './run.ts';
import type { FuzzTarget } from './target.ts';
import { callTargets, messageTargets } from './targets.ts';

const INPUTS = 100_000;
/** To each of SIP and RTP, which read a million together. */
const DATAGRAMS = 500_000;
const FINDS = fileURLToPath(new URL('corpus/finds/', import.meta.url));
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
      const reports = await runFuzz({ targets: [target], inputs, seed, finds: FINDS });
      const faults = reports.flatMap(faultsOf);
      // All of it, so that a log is enough to go on with.
      assert.ok(faults.length === 0, faults.join('\n'));
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

test('each find in the corpus is of a target that there is', async () => {
  const names = [...messageTargets(), ...callTargets()].map(({ name }) => name);
  const read = await Promise.all(names.map((name) => readFinds(FINDS, name)));
  assert.equal(read.flat().length, (await readFinds(FINDS)).length);
});

const POISON = Buffer.from('a');

/** Fails where `isHarm` says so of what was fed since it was started. */
function fragile(isHarm: (batch: readonly Buffer[], fedBefore: number) => boolean, batches: number[] = []): FuzzTarget {
  return {
    name: 'fragile',
    share: 1,
    seeds: { inputs: [POISON, Buffer.from('bcdef')], spice: [Buffer.from('b')] },
    start: async () => {
      let fed = 0;
      return {
        verdicts: { good: 0, broken: 0 },
        feed: async (batch) => {
          batches.push(batch.length);
          fed += batch.length;
          if (isHarm(batch, fed - batch.length)) throw new Error('it broke');
        },
        stop: async () => {},
      };
    },
  };
}

test('a batch that does harm is kept, cut down to what does it, and fed first in all later runs', async () => {
  await inDirectory(async (finds) => {
    const harmful = fragile((batch) => batch.some((input) => input.includes(POISON)));
    const [first] = await runFuzz({ targets: [harmful], inputs: 250, finds, seed: 7 });
    const report = first?.faults.join() ?? '';
    assert.match(report, /it broke/);
    assert.match(report, /npm run test:fuzz -- --target 'fragile' --seed 7 --from 0 --to 250/);
    const [kept] = await readFinds(finds, 'fragile');
    assert.equal(kept?.batch.length, 1);
    assert.ok(kept.batch[0]?.includes(POISON));
    // What is printed is enough where the file is lost.
    const packed = /echo (\S+) \| base64/.exec(report)?.[1] ?? assert.fail(report);
    const printed = gunzipSync(Buffer.from(packed, 'base64')).toString();
    assert.equal(printed, await readFile(join(finds, kept.file), 'utf8'));
    for (const seed of [8, 9]) {
      const batches: number[] = [];
      const [mended] = await runFuzz({ targets: [fragile(() => false, batches)], inputs: 250, finds, seed });
      assert.deepEqual([mended?.replayed, mended?.faults, batches], [1, [], [1, 250]]);
    }
    const [again] = await runFuzz({ targets: [harmful], inputs: 0, finds, seed: 10 });
    assert.match(again?.faults.join() ?? '', new RegExp(`the find ${kept.file}: Error: it broke`));
    assert.equal((await readFinds(finds)).length, 1);
  });
});

test('harm that comes only after what went before is kept whole, and its command feeds that again', async () => {
  await inDirectory(async (finds) => {
    const grudging = fragile((_batch, fedBefore) => fedBefore >= 500);
    const [report] = await runFuzz({ targets: [grudging], inputs: 1_750, finds, seed: 7 });
    assert.equal(report?.faults.length, 2);
    assert.match(report.faults[1] ?? '', /--from 750 --to 1500/);
    assert.deepEqual(
      (await readFinds(finds)).map(({ batch }) => batch.length),
      [250, 250],
    );
    const [again] = await runFuzz({ targets: [grudging], inputs: 0, finds, seed: 7, from: 750, to: 1_500 });
    assert.match(again?.faults.join() ?? '', /it broke[\s\S]*inputs 1250 to 1499/);
  });
});

test('a batch at which the process stands still is kept, and the process ended', async () => {
  await inDirectory(async (finds) => {
    const run = new URL('./run.ts', import.meta.url);
    const script = `
      import { runFuzz } from ${JSON.stringify(run.href)};
      const feed = async () => { for (;;); };
      const start = async () => ({ verdicts: { good: 0, broken: 0 }, feed, stop: async () => {} });
      const seeds = { inputs: [Buffer.from('a')], spice: [Buffer.from('b')] };
      const targets = [{ name: 'stuck', share: 1, seeds, start }];
      await runFuzz({ targets, inputs: 10, seed: 1, finds: process.argv[1], stuckAfterMs: 200 });
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script, finds], {
      stdio: 'pipe',
      // Of another signal than the one that is expected.
      timeout: 20_000,
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    assert.equal(signal, 'SIGKILL', said);
    assert.match(said, /stood still for 200 ms/);
    assert.match(said, /again: npm run test:fuzz -- --target 'stuck' --seed 1 --from 0 --to 10\n {2}the file: echo /);
    assert.equal((await readFinds(finds, 'stuck'))[0]?.batch.length, 10);
  });
});
