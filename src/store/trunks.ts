/**
 * The SIP trunks that calls can go out through. Every change raises a trunk's version, by which running nodes notice
 * it. Passwords stand in the settings as they are (they have to be used); whoever shows settings masks them.
 */
import { parseTrunkSettings, type TrunkSettings } from '../domain/trunk-settings.ts';
import type { Queryable, Statement } from './database.ts';

export interface Trunk {
  trunkId: number;
  name: string;
  enabled: boolean;
  settings: TrunkSettings;
  version: number;
}

interface TrunkRow {
  trunkId: number;
  name: string;
  enabled: boolean;
  settings: unknown;
  version: number;
}

const COLUMNS = 'trunk_id AS "trunkId", name, enabled, settings, version::float8 AS version';

const LIST: Statement = { name: 'trunks.list', text: `SELECT ${COLUMNS} FROM trunks ORDER BY trunk_id` };
const FIND: Statement = { name: 'trunks.find', text: `SELECT ${COLUMNS} FROM trunks WHERE name = $1` };
const REMOVE: Statement = { name: 'trunks.remove', text: 'DELETE FROM trunks WHERE name = $1 RETURNING trunk_id' };

const ADD: Statement = {
  name: 'trunks.add',
  text: `INSERT INTO trunks (name, enabled, settings) VALUES ($1, $2, $3::jsonb)
         ON CONFLICT (name) DO NOTHING RETURNING ${COLUMNS}`,
};

const UPDATE: Statement = {
  name: 'trunks.update',
  text: `UPDATE trunks SET enabled = coalesce($2, enabled), settings = coalesce($3::jsonb, settings), version = version + 1
         WHERE name = $1 RETURNING ${COLUMNS}`,
};

/** Settings stored by an older version are completed with today's defaults. */
function readTrunk(row: TrunkRow): Trunk {
  const parsed = parseTrunkSettings(row.settings);
  if (parsed.ok) return { ...row, settings: parsed.settings };
  throw new Error(`trunk ${row.name} has settings that this version can't read: ${parsed.mistakes.join('; ')}`);
}

/** Every trunk, enabled or not, in the order in which they were added. */
export async function listTrunks(db: Queryable): Promise<Trunk[]> {
  return (await db.query<TrunkRow>(LIST, [])).map(readTrunk);
}

export async function findTrunk(db: Queryable, name: string): Promise<Trunk | undefined> {
  const [row] = await db.query<TrunkRow>(FIND, [name]);
  return row && readTrunk(row);
}

/** Undefined when there is one of that name already. */
export async function addTrunk(
  db: Queryable,
  trunk: { name: string; enabled: boolean; settings: TrunkSettings },
): Promise<Trunk | undefined> {
  const [row] = await db.query<TrunkRow>(ADD, [trunk.name, trunk.enabled, JSON.stringify(trunk.settings)]);
  return row && readTrunk(row);
}

/** Replaces the settings (all of them) and the switch; what is not given stays. Undefined: there is no such trunk. */
export async function updateTrunk(
  db: Queryable,
  name: string,
  change: { enabled?: boolean; settings?: TrunkSettings },
): Promise<Trunk | undefined> {
  const settings = change.settings === undefined ? null : JSON.stringify(change.settings);
  const [row] = await db.query<TrunkRow>(UPDATE, [name, change.enabled ?? null, settings]);
  return row && readTrunk(row);
}

/** False: there is no such trunk. Calls under way on it end as they would have. */
export async function removeTrunk(db: Queryable, name: string): Promise<boolean> {
  return (await db.query(REMOVE, [name])).length > 0;
}

/** Settings for the eyes of people and for JSON: the password is not shown. */
export function maskedTrunkSettings(settings: TrunkSettings): TrunkSettings {
  return settings.password === undefined ? settings : { ...settings, password: '********' };
}

export const SIMULATED_TRUNK_NAME = 'simulator';

/** Enough for the benchmark: the simulated telephone itself sets the pace. */
const SIMULATED_CALLS = 1_000;
const SIMULATED_CALLS_PER_SECOND = 1_000;

/** Makes the trunk `simulator`, or points the existing one at where the simulated telephone listens now. */
export async function ensureSimulatedTrunk(db: Queryable, target: { host: string; port: number }): Promise<void> {
  const existing = await findTrunk(db, SIMULATED_TRUNK_NAME);
  if (existing !== undefined) {
    const { settings } = existing;
    if (settings.host === target.host && settings.port === target.port) return;
    await updateTrunk(db, SIMULATED_TRUNK_NAME, { settings: { ...settings, ...target } });
    return;
  }
  const parsed = parseTrunkSettings({
    ...target,
    maxCalls: SIMULATED_CALLS,
    callsPerSecond: SIMULATED_CALLS_PER_SECOND,
  });
  if (!parsed.ok) throw new Error(`the simulated telephone cannot be a trunk: ${parsed.mistakes.join('; ')}`);
  await addTrunk(db, { name: SIMULATED_TRUNK_NAME, enabled: true, settings: parsed.settings });
}
