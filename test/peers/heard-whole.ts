/** The judgement on a recording, the same for every way the call took. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { writeWav } from '../../src/base/wave-file.ts';
import { compare, measure, readSamples } from './listening.ts';
import { makeFolder } from './peer-process.ts';

const LEAST_CORRELATION = 0.99;
const MAX_LEVEL_DIFFERENCE_DB = 0.5;
const RATE_HZ = 8_000;

/** Fails unless the recording holds what was sent from the first to the last sample, at its level and rate. */
export async function assertHeardWhole(context: TestContext, sent: Int16Array, recording: string): Promise<void> {
  const heard = await readSamples(recording);
  const found = compare(sent, heard);
  context.diagnostic(
    `r = ${found.correlation.toFixed(5)}, first 100 ms ${found.firstCorrelation.toFixed(5)}, ` +
      `last 100 ms ${found.lastCorrelation.toFixed(5)}, ${found.shift} samples before, ${found.after} after`,
  );
  assert.ok(found.correlation >= LEAST_CORRELATION, `r = ${found.correlation}`);
  assert.ok(found.firstCorrelation >= LEAST_CORRELATION, `beginning: r = ${found.firstCorrelation}`);
  assert.ok(found.lastCorrelation >= LEAST_CORRELATION, `end: r = ${found.lastCorrelation}`);
  assert.ok(found.after >= 0, `${-found.after} samples are missing at the end`);
  await assertLevel(context, sent, heard.subarray(found.shift, found.shift + sent.length), recording);
}

async function assertLevel(
  context: TestContext,
  sent: Int16Array,
  heard: Int16Array,
  recording: string,
): Promise<void> {
  const folder = await makeFolder(context);
  const [sentFile, heardFile] = [join(folder, 'sent.wav'), join(folder, 'heard.wav')];
  await writeFile(sentFile, writeWav(sent));
  await writeFile(heardFile, writeWav(heard));
  const before = await measure(context, sentFile);
  const after = await measure(context, heardFile);
  context.diagnostic(`sox: sent ${before.rmsDb} dB, heard ${after.rmsDb} dB, ${after.seconds} s`);
  assert.equal((await measure(context, recording)).rateHz, RATE_HZ);
  assert.equal(after.seconds, before.seconds);
  assert.ok(Math.abs(after.rmsDb - before.rmsDb) <= MAX_LEVEL_DIFFERENCE_DB, `${before.rmsDb} → ${after.rmsDb} dB`);
  assert.ok(Math.abs(after.peakDb - before.peakDb) <= MAX_LEVEL_DIFFERENCE_DB, `${before.peakDb} → ${after.peakDb} dB`);
}
