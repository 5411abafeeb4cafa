/**
 * What arrived, compared with what was sent: the shift at which they fit best, the correlation there, in whole and at
 * both ends, and what sox measures.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { readWave } from '../../src/base/wave-file.ts';
import { runPeer } from './peer-process.ts';

const RATE_HZ = 8_000;
/** Both ends are compared by themselves: a lost packet there hardly shows in the whole. */
const END_SAMPLES = 800;
/** Longer than any silence before the speech in these tests. */
const MAX_SHIFT_SAMPLES = 8_000;
/** Every how many samples the first, coarse look is taken. */
const COARSE_STEP = 7;

export interface Comparison {
  /** Samples before the first one sent. */
  shift: number;
  correlation: number;
  /** Of the first and the last 100 ms. */
  firstCorrelation: number;
  lastCorrelation: number;
  /** Samples heard after the last one sent. */
  after: number;
}

/** Two seconds or so that sound nowhere alike: a sweep with a rhythm, from its first to its last sample audible. */
export function testSpeech(seconds: number): Int16Array {
  return Int16Array.from({ length: Math.round(seconds * RATE_HZ) }, (_, at) => {
    const t = at / RATE_HZ;
    const sweep = Math.sin(2 * Math.PI * (300 * t + 250 * t * t));
    const rhythm = 0.6 + 0.4 * Math.sin(2 * Math.PI * 3.3 * t + 1);
    return Math.round(10_000 * sweep * rhythm + 1_500 * Math.sin(2 * Math.PI * 1_911 * t));
  });
}

/** The samples of a 16-bit mono file at 8,000 Hz. */
export async function readSamples(path: string): Promise<Int16Array> {
  const wave = readWave(await readFile(path));
  assert.ok(wave.kind === 'wave', JSON.stringify(wave));
  assert.deepEqual([wave.format.sampleRate, wave.format.channels, wave.format.bitsPerSample], [RATE_HZ, 1, 16]);
  return Int16Array.from({ length: Math.floor(wave.data.length / 2) }, (_, at) => wave.data.readInt16LE(at * 2));
}

export function compare(sent: Int16Array, heard: Int16Array): Comparison {
  const probe = Math.min(sent.length, 2 * RATE_HZ);
  let shift = 0;
  let best = -1;
  for (let at = 0; at <= Math.min(MAX_SHIFT_SAMPLES, heard.length - probe); at += 1) {
    const found = correlate(sent, 0, heard, at, probe, COARSE_STEP);
    if (found > best) [best, shift] = [found, at];
  }
  const last = sent.length - END_SAMPLES;
  return {
    shift,
    correlation: correlate(sent, 0, heard, shift, sent.length),
    firstCorrelation: correlate(sent, 0, heard, shift, END_SAMPLES),
    lastCorrelation: correlate(sent, last, heard, shift + last, END_SAMPLES),
    after: heard.length - shift - sent.length,
  };
}

/** Pearson's r; samples that are missing count as silence. */
function correlate(a: Int16Array, fromA: number, b: Int16Array, fromB: number, length: number, step = 1): number {
  let [sumA, sumB, sumAA, sumBB, sumAB, count] = [0, 0, 0, 0, 0, 0];
  for (let at = 0; at < length; at += step) {
    const x = a[fromA + at] ?? 0;
    const y = b[fromB + at] ?? 0;
    sumA += x;
    sumB += y;
    sumAA += x * x;
    sumBB += y * y;
    sumAB += x * y;
    count += 1;
  }
  const spread = Math.sqrt((sumAA - (sumA * sumA) / count) * (sumBB - (sumB * sumB) / count));
  return spread === 0 ? 0 : (sumAB - (sumA * sumB) / count) / spread;
}

export interface Measured {
  rateHz: number;
  seconds: number;
  rmsDb: number;
  peakDb: number;
}

/** What sox says about a file. */
export async function measure(context: TestContext, path: string): Promise<Measured> {
  const rate = await runPeer(context, 'soxi', ['-r', path]);
  const stats = await runPeer(context, 'sox', [path, '-n', 'stats']);
  const find = (name: string): number => Number(new RegExp(`^${name} +(\\S+)`, 'm').exec(stats)?.[1]);
  return { rateHz: Number(rate), seconds: find('Length s'), rmsDb: find('RMS lev dB'), peakDb: find('Pk lev dB') };
}
