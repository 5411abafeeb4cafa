/** Load goes on after the last trouble until the platform is whole again, and so much longer at the least and at the most. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Load } from './load.ts';
import { type InjectedFault, recoveries } from './recovery.ts';
import type { World } from './world.ts';

const AFTERWARDS_MS = 2_000;
const WHOLE_WITHIN_MS = 45_000;
const LOOK_EVERY_MS = 2_000;

export async function untilWhole(
  world: World,
  load: Load,
  { faults, signal }: { faults: readonly InjectedFault[]; signal: AbortSignal },
): Promise<void> {
  const deadlineMs = performance.now() + WHOLE_WITHIN_MS;
  await pause(AFTERWARDS_MS, undefined, { signal });
  while (performance.now() < deadlineMs) {
    const found = recoveries(faults, await load.requests(), world.journal.arrivals);
    if (found.every(({ durationMs }) => Number.isFinite(durationMs))) return;
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
}
