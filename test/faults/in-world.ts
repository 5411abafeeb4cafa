/** A world and its load for as long as something is tried in them. The logs stay when something was found, or it broke off. */
import type { Comparison } from './comparison.ts';
import { Load } from './load.ts';
import { startWorld, type World, type WorldOptions } from './world.ts';
import type { WorldDatabase } from './world-database.ts';

export interface InWorldOptions<Servers extends WorldDatabase> extends WorldOptions<Servers> {
  /** The logs, even when nothing was found. */
  readonly keeps?: boolean;
  readonly tell: (text: string) => void;
}

/** @param run starts the load; whatever becomes of it, load and world are stopped */
export async function inWorld<
  Servers extends WorldDatabase,
  Result extends { readonly comparison: Comparison; readonly unexpectedEnds: readonly string[] },
>(options: InWorldOptions<Servers>, run: (world: World<Servers>, load: Load) => Promise<Result>): Promise<Result> {
  const world = await startWorld(options);
  const load = new Load(world);
  let keeps = true;
  try {
    const result = await run(world, load);
    keeps = options.keeps === true || result.comparison.findings.length > 0 || result.unexpectedEnds.length > 0;
    return result;
  } finally {
    if (keeps) options.tell(`logs: ${world.directory}`);
    await load.stop();
    await world.stop(keeps);
  }
}
