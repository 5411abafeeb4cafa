/**
 * The end of a run: waits until everything has come to its end, asks everybody what they know, and compares. Beside the logs
 * it leaves the run second by second and the lives of the messages that it found something about.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compare, type Comparison, type Evidence } from './comparison.ts';
import { gatherEvidence } from './gather-evidence.ts';
import type { InjectedFault } from './recovery.ts';
import type { LoggedRequest } from './request-log.ts';
import { settleDown } from './settle-down.ts';
import { readEvents } from './stored-facts.ts';
import { timeline } from './timeline.ts';
import type { World } from './world.ts';

export interface Judgement {
  readonly evidence: Evidence;
  readonly comparison: Comparison;
}

/** @param options.requests all that were sent, each of them ended */
export async function judgeRun(
  world: World,
  options: {
    requests: readonly LoggedRequest[];
    faults: readonly InjectedFault[];
    signal: AbortSignal;
    tell: (text: string) => void;
  },
): Promise<Judgement> {
  const left = await settleDown(world.database, options.signal);
  options.tell(`left: ${JSON.stringify(left)}`);
  const evidence = await gatherEvidence(world, options.requests);
  const told = timeline(evidence.requests, evidence.arrivals, options.faults);
  await writeFile(join(world.directory, 'timeline.txt'), told);
  const comparison = compare(evidence);
  await writeFile(join(world.directory, 'events.txt'), await eventsOf(world, comparison.findings));
  return { evidence, comparison };
}

/** Of the messages that findings name by their msgid. */
async function eventsOf(world: World, findings: readonly string[]): Promise<string> {
  const msgids = findings.flatMap((text) => /\((\d{9,11})/.exec(text)?.[1] ?? []).map(Number);
  const events = await readEvents(world.database, msgids);
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}
