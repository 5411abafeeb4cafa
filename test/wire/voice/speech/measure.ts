/** Measurements on 8,000 Hz speech: pitch, level, likeness. */

const RATE_HZ = 8000;
const FRAME = 0.04 * RATE_HZ;
const HOP = 0.02 * RATE_HZ;
const SPEECH_LEVEL = 300;
const LOWEST_HZ = 60;
const HIGHEST_HZ = 400;
const VOICED = 0.8;

export function rms(samples: Int16Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length));
}

/** Median F0 of the voiced frames in Hz, by normalised autocorrelation. */
export function medianPitchHz(samples: Int16Array): number {
  const pitches: number[] = [];
  for (let at = 0; at + 2 * FRAME < samples.length; at += HOP) {
    if (rms(samples.subarray(at, at + FRAME)) < SPEECH_LEVEL) continue;
    const hz = framePitchHz(samples, at);
    if (hz !== undefined) pitches.push(hz);
  }
  pitches.sort((a, b) => a - b);
  return pitches[Math.floor(pitches.length / 2)] ?? 0;
}

function framePitchHz(samples: Int16Array, at: number): number | undefined {
  const frame = samples.subarray(at, at + FRAME);
  let best = VOICED;
  let bestLag: number | undefined;
  for (let lag = Math.floor(RATE_HZ / HIGHEST_HZ); lag <= RATE_HZ / LOWEST_HZ; lag++) {
    const likeness = correlation(frame, samples.subarray(at + lag, at + lag + FRAME));
    // A multiple of the period is as good but for noise: the first wins.
    if (likeness > best * 1.02) {
      best = likeness;
      bestLag = lag;
    }
  }
  return bestLag === undefined ? undefined : RATE_HZ / bestLag;
}

/** −1 to 1, over the shorter length. */
function correlation(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let product = 0;
  let leftPower = 0;
  let rightPower = 0;
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const a = left[index] ?? 0;
    const b = right[index] ?? 0;
    product += a * b;
    leftPower += a * a;
    rightPower += b * b;
  }
  return product / Math.sqrt(leftPower * rightPower + 1);
}

/**
 * Whether `part` is heard somewhere in `whole`: 1 when it is said the same way, below 0.5 for other words. Compares
 * loudness and two measures of brightness over time, since no two readings of eSpeak NG are the same wave.
 */
export function bestMatch(part: Int16Array, whole: Int16Array): number {
  const sought = soundCurves(part);
  const heard = soundCurves(whole);
  const frames = sought[0]?.length ?? 0;
  let best = 0;
  for (let at = 0; at + frames <= (heard[0]?.length ?? 0); at++) {
    const likeness = sought.map((curve, index) =>
      correlation(withoutMean(curve), withoutMean(heard[index]?.slice(at, at + frames) ?? [])),
    );
    best = Math.max(best, likeness.reduce((sum, value) => sum + value, 0) / likeness.length);
  }
  return best;
}

/** Every 10 ms: the energy, and that of the first and the second difference in proportion to it. */
function soundCurves(samples: Int16Array): number[][] {
  const curves: number[][] = [[], [], []];
  for (let at = 0; at + FRAME / 2 <= samples.length; at += HOP / 2) {
    let energy = 100;
    let bright = 100;
    let brighter = 100;
    for (let index = at + 2; index < at + FRAME / 2; index++) {
      const [now = 0, last = 0, before = 0] = [samples[index], samples[index - 1], samples[index - 2]];
      energy += now ** 2;
      bright += (now - last) ** 2;
      brighter += (now - 2 * last + before) ** 2;
    }
    [energy, bright / energy, brighter / energy].forEach((value, index) => {
      curves[index]?.push(Math.log10(value));
    });
  }
  return curves;
}

function withoutMean(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}
