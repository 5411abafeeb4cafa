/**
 * The operators that messages can go through. Every change raises an operator's version, by which running nodes
 * notice it; its link slots always number as many as its links. Passwords of binds are sealed in the database and
 * open in memory (they have to be sent); whoever shows settings to people masks them with `maskedSettings`.
 */
import { type OperatorSettings, parseOperatorSettings } from '../domain/operator-settings.ts';
import type { SecretKeys } from '../base/secret-keys.ts';
import type { Database, KeyedQueryable, Queryable, Statement } from './database.ts';
import { openSettings, type Place, settingsToStore } from './sealed-password.ts';

export interface Operator {
  operatorId: number;
  name: string;
  enabled: boolean;
  settings: OperatorSettings;
  version: number;
  /** Why the password is not in `settings`: nothing may bind with them. */
  passwordProblem?: string;
}

export type AddedOperator = { kind: 'added'; operator: Operator } | { kind: 'exists' };

export type UpdatedOperator = { kind: 'updated'; operator: Operator } | { kind: 'unknown-operator' };

/** How many messages hold on to an operator. */
export interface OperatorLoad {
  queued: number;
  deferred: number;
  inFlight: number;
}

export type RemovedOperator =
  | { kind: 'removed' }
  | { kind: 'unknown-operator' }
  | { kind: 'enabled' }
  | ({ kind: 'busy' } & OperatorLoad);

interface OperatorRow {
  operatorId: number;
  name: string;
  enabled: boolean;
  settings: unknown;
  version: number;
}

const COLUMNS = `operator_id AS "operatorId", name, enabled, settings, version::float8 AS version`;

const LIST: Statement = { name: 'operators.list', text: `SELECT ${COLUMNS} FROM operators ORDER BY operator_id` };
const FIND: Statement = { name: 'operators.find', text: `SELECT ${COLUMNS} FROM operators WHERE name = $1` };
const LOCK: Statement = { name: 'operators.lock', text: `${FIND.text} FOR UPDATE` };

function placeOf(name: string): Place {
  return `operators/${name}`;
}

/** Settings stored by an older version are completed with today's defaults. */
function readOperator(row: OperatorRow, keys: SecretKeys | undefined): Operator {
  const { settings, problem } = openSettings(row.settings, keys, placeOf(row.name));
  const parsed = parseOperatorSettings(settings);
  if (parsed.ok) {
    return { ...row, settings: parsed.settings, ...(problem !== undefined && { passwordProblem: problem }) };
  }
  throw new Error(`operator ${row.name} has settings that this version can't read: ${parsed.mistakes.join('; ')}`);
}

/** Every operator, enabled or not, in the order in which they were added. */
export async function listOperators(db: KeyedQueryable): Promise<Operator[]> {
  return (await db.query<OperatorRow>(LIST, [])).map((row) => readOperator(row, db.keys));
}

export async function findOperator(db: KeyedQueryable, name: string): Promise<Operator | undefined> {
  const rows = await db.query<OperatorRow>(FIND, [name]);
  return rows[0] && readOperator(rows[0], db.keys);
}

/**
 * Throws SECRET_KEY_MISSING when there is a password and no key.
 * @param operator.isPublished its password is known to everybody, and may be stored without a key
 */
export async function addOperator(
  db: Database,
  operator: { name: string; enabled: boolean; settings: OperatorSettings; isPublished?: boolean },
): Promise<AddedOperator> {
  const { keys } = db;
  const { name, settings, isPublished = false } = operator;
  const stored = settingsToStore(settings, { keys, place: placeOf(name), isPublished });
  return db.transaction(async (tx) => {
    const rows = await tx.query<OperatorRow>(
      {
        name: 'operators.add',
        text: `INSERT INTO operators (name, enabled, settings) VALUES ($1, $2, $3::jsonb)
          ON CONFLICT (name) DO NOTHING RETURNING ${COLUMNS}`,
      },
      [name, operator.enabled, stored],
    );
    if (rows[0] === undefined) return { kind: 'exists' };
    const added = readOperator(rows[0], keys);
    await matchLinkSlots(tx, added);
    return { kind: 'added', operator: added };
  });
}

/**
 * Replaces the settings (all of them) and the switch; what is not given stays, as does the stored password when the
 * settings hold what was read. Throws SECRET_KEY_MISSING when there is another password and no key.
 */
export async function updateOperator(
  db: Database,
  name: string,
  change: { enabled?: boolean; settings?: OperatorSettings; isPublished?: boolean },
): Promise<UpdatedOperator> {
  const { keys } = db;
  const { enabled, settings, isPublished = false } = change;
  return db.transaction(async (tx) => {
    const [before] = await tx.query<OperatorRow>(LOCK, [name]);
    if (before === undefined) return { kind: 'unknown-operator' };
    const stored =
      settings && settingsToStore(settings, { keys, place: placeOf(name), stored: before.settings, isPublished });
    const rows = await tx.query<OperatorRow>(
      {
        name: 'operators.update',
        text: `UPDATE operators SET enabled = coalesce($2, enabled), settings = coalesce($3::jsonb, settings),
            version = version + 1
          WHERE name = $1 RETURNING ${COLUMNS}`,
      },
      [name, enabled ?? null, stored ?? null],
    );
    if (rows[0] === undefined) return { kind: 'unknown-operator' };
    const updated = readOperator(rows[0], keys);
    await matchLinkSlots(tx, updated);
    return { kind: 'updated', operator: updated };
  });
}

/** Slots 0 to links - 1; a node whose slot is gone finds that out when it renews it. */
async function matchLinkSlots(tx: Queryable, operator: Operator): Promise<void> {
  await tx.query(
    { name: 'operators.drop-slots', text: 'DELETE FROM link_slots WHERE operator_id = $1 AND slot >= $2' },
    [operator.operatorId, operator.settings.links],
  );
  await tx.query(
    {
      name: 'operators.make-slots',
      text: `INSERT INTO link_slots (operator_id, slot)
        SELECT $1::smallint, n::smallint FROM generate_series(0, $2::int - 1) AS n ON CONFLICT DO NOTHING`,
    },
    [operator.operatorId, operator.settings.links],
  );
}

const LOAD: Statement = {
  name: 'operators.load',
  text: `SELECT
      (SELECT count(*) FROM queue WHERE operator_id = $1)::float8 AS queued,
      (SELECT count(*) FROM deferred WHERE operator_id = $1)::float8 AS deferred,
      (SELECT count(*) FROM in_flight WHERE operator_id = $1 AND msgid IS NOT NULL AND NOT timed_out)::float8 AS "inFlight"`,
};

/**
 * Removes an operator that is disabled and to which no message holds on any more, in the queue, deferred, or sent
 * and without its receipt. Nodes learn of a switch after some seconds: wait these between disabling and removing,
 * or a message accepted meanwhile would have no way out.
 */
export async function removeOperator(db: Database, name: string): Promise<RemovedOperator> {
  return db.transaction(async (tx) => {
    const [operator] = await tx.query<OperatorRow>(LOCK, [name]);
    if (operator === undefined) return { kind: 'unknown-operator' };
    if (operator.enabled) return { kind: 'enabled' };
    const [load] = await tx.query<OperatorLoad>(LOAD, [operator.operatorId]);
    if (load === undefined || load.queued + load.deferred + load.inFlight > 0) {
      return { kind: 'busy', ...(load ?? { queued: 0, deferred: 0, inFlight: 0 }) };
    }
    for (const table of ['link_slots', 'fair_ranks', 'operators']) {
      await tx.query({ name: `operators.remove-${table}`, text: `DELETE FROM ${table} WHERE operator_id = $1` }, [
        operator.operatorId,
      ]);
    }
    return { kind: 'removed' };
  });
}

/** Whether a platform runs on this database now: some node's lease has not ended. */
export async function hasLiveNode(db: Queryable): Promise<boolean> {
  const rows = await db.query<{ live: boolean }>(
    {
      name: 'operators.live-node',
      text: 'SELECT EXISTS (SELECT FROM nodes WHERE deadline > clock_timestamp()) AS live',
    },
    [],
  );
  return rows[0]?.live === true;
}

export interface LinkSlot {
  operatorId: number;
  slot: number;
  epoch: number | null;
  bound: boolean;
  detail: string | null;
}

/** Which node holds each link, and whether it is bound. */
export async function listLinkSlots(db: Queryable): Promise<LinkSlot[]> {
  return db.query<LinkSlot>(
    {
      name: 'operators.slots',
      text: `SELECT operator_id AS "operatorId", slot, epoch, bound, detail FROM link_slots ORDER BY operator_id, slot`,
    },
    [],
  );
}

/** Settings for the eyes of people and for JSON: the password is not shown. */
export function maskedSettings(settings: OperatorSettings): OperatorSettings {
  return { ...settings, password: '********' };
}
