/**
 * The SIP trunks that calls can go out through. Every change raises a trunk's version, by which running nodes notice
 * it. Passwords are sealed in the database and open in memory (they have to be used); whoever shows settings masks
 * them.
 */
import { parseTrunkSettings, type TrunkSettings } from '../domain/trunk-settings.ts';
import type { SecretKeys } from '../base/secret-keys.ts';
import type { Database, KeyedQueryable, Queryable, Statement } from './database.ts';
import { openSettings, type Place, settingsToStore } from './sealed-password.ts';

export interface Trunk {
  trunkId: number;
  name: string;
  enabled: boolean;
  settings: TrunkSettings;
  version: number;
  /** Why the password is not in `settings`: nothing may call with them. */
  passwordProblem?: string;
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
const LOCK: Statement = { name: 'trunks.lock', text: `${FIND.text} FOR UPDATE` };
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

function placeOf(name: string): Place {
  return `trunks/${name}`;
}

/** Settings stored by an older version are completed with today's defaults. */
function readTrunk(row: TrunkRow, keys: SecretKeys | undefined): Trunk {
  const { settings, problem } = openSettings(row.settings, keys, placeOf(row.name));
  const parsed = parseTrunkSettings(settings);
  if (parsed.ok) {
    return { ...row, settings: parsed.settings, ...(problem !== undefined && { passwordProblem: problem }) };
  }
  throw new Error(`trunk ${row.name} has settings that this version can't read: ${parsed.mistakes.join('; ')}`);
}

/** Every trunk, enabled or not, in the order in which they were added. */
export async function listTrunks(db: KeyedQueryable): Promise<Trunk[]> {
  return (await db.query<TrunkRow>(LIST, [])).map((row) => readTrunk(row, db.keys));
}

export async function findTrunk(db: KeyedQueryable, name: string): Promise<Trunk | undefined> {
  const [row] = await db.query<TrunkRow>(FIND, [name]);
  return row && readTrunk(row, db.keys);
}

/** Undefined when there is one of that name already. Throws SECRET_KEY_MISSING when there is a password and no key. */
export async function addTrunk(
  db: KeyedQueryable,
  trunk: { name: string; enabled: boolean; settings: TrunkSettings },
): Promise<Trunk | undefined> {
  const stored = settingsToStore(trunk.settings, { keys: db.keys, place: placeOf(trunk.name) });
  const [row] = await db.query<TrunkRow>(ADD, [trunk.name, trunk.enabled, stored]);
  return row && readTrunk(row, db.keys);
}

/**
 * Replaces the settings (all of them) and the switch; what is not given stays, as does the stored password when the
 * settings hold what was read. Undefined: there is no such trunk. Throws SECRET_KEY_MISSING when there is another
 * password and no key.
 */
export async function updateTrunk(
  db: Database,
  name: string,
  change: { enabled?: boolean; settings?: TrunkSettings },
): Promise<Trunk | undefined> {
  const { keys } = db;
  const { enabled, settings } = change;
  return db.transaction(async (tx) => {
    const [before] = await tx.query<TrunkRow>(LOCK, [name]);
    if (before === undefined) return undefined;
    const stored = settings && settingsToStore(settings, { keys, place: placeOf(name), stored: before.settings });
    const [row] = await tx.query<TrunkRow>(UPDATE, [name, enabled ?? null, stored ?? null]);
    return row && readTrunk(row, keys);
  });
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
export async function ensureSimulatedTrunk(db: Database, target: { host: string; port: number }): Promise<void> {
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
