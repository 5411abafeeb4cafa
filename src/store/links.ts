/** Which node holds which link to which operator. A slot belongs to an epoch; the slots of dead epochs are free. */
import type { Queryable, Statement } from './database.ts';

// How many links of an operator each living node holds, and its fair part: `least` links, or one more.
const FAIRNESS = `living AS MATERIALIZED (
  SELECT n.epoch, count(s.slot) AS held
  FROM nodes n LEFT JOIN link_slots s ON s.epoch = n.epoch AND s.operator_id = $2
  WHERE n.deadline > clock_timestamp() GROUP BY n.epoch
), fair AS MATERIALIZED (
  SELECT slots / nodes AS least, (slots + nodes - 1) / nodes AS most,
         (SELECT held FROM living WHERE epoch = $1) AS mine,
         EXISTS (SELECT FROM living WHERE epoch <> $1 AND held < slots / nodes) AS others_lack
  FROM (SELECT (SELECT count(*) FROM link_slots WHERE operator_id = $2) AS slots,
               greatest((SELECT count(*) FROM living), 1) AS nodes) AS counts
)`;

const TAKE_SLOT: Statement = {
  name: 'take-link-slot',
  text: `
WITH ${FAIRNESS}, free AS (
  SELECT operator_id, slot FROM link_slots s
  WHERE operator_id = $2 AND (epoch IS NULL OR epoch NOT IN (SELECT epoch FROM living))
    AND EXISTS (SELECT FROM fair WHERE mine < least OR (mine < most AND NOT others_lack))
  ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE link_slots s SET epoch = $1, bound = false, detail = NULL
FROM free WHERE s.operator_id = free.operator_id AND s.slot = free.slot
RETURNING s.slot`,
};

/** Takes a free slot of an operator, up to this node's fair part; beyond `least` only if no other node has less. */
export async function takeSlot(db: Queryable, epoch: number, operatorId: number): Promise<number | undefined> {
  return (await db.query<{ slot: number }>(TAKE_SLOT, [epoch, operatorId]))[0]?.slot;
}

const LINK_TO_SPARE: Statement = {
  name: 'link-to-spare',
  text: `
WITH ${FAIRNESS}
SELECT 1 FROM fair
WHERE mine > least AND others_lack
  AND NOT EXISTS (SELECT FROM link_slots WHERE operator_id = $2 AND (epoch IS NULL OR epoch NOT IN (SELECT epoch FROM living)))
  AND NOT EXISTS (SELECT FROM living WHERE held > mine OR (held = mine AND epoch < $1))`,
};

/**
 * Whether this node should give a link up: another has fewer than its fair part, none is free, and nobody holds more.
 */
export async function hasLinkToSpare(db: Queryable, epoch: number, operatorId: number): Promise<boolean> {
  return (await db.query(LINK_TO_SPARE, [epoch, operatorId])).length > 0;
}

const MARK_SLOT: Statement = {
  name: 'mark-link-slot',
  text: 'UPDATE link_slots SET bound = $4, detail = $5 WHERE epoch = $1 AND operator_id = $2 AND slot = $3',
};

export async function markSlot(
  db: Queryable,
  slot: { epoch: number; operatorId: number; slot: number; bound: boolean; detail: string | undefined },
): Promise<void> {
  await db.query(MARK_SLOT, [slot.epoch, slot.operatorId, slot.slot, slot.bound, slot.detail ?? null]);
}

const FREE_SLOTS: Statement = {
  name: 'free-link-slots',
  text: 'UPDATE link_slots SET epoch = NULL, bound = false WHERE epoch = ANY ($1::int[])',
};

/** Frees every slot that these epochs hold. */
export async function freeSlots(db: Queryable, epochs: readonly number[]): Promise<void> {
  await db.query(FREE_SLOTS, [epochs]);
}

const FREE_SLOT: Statement = {
  name: 'free-link-slot',
  text: 'UPDATE link_slots SET epoch = NULL, bound = false WHERE epoch = $1 AND operator_id = $2 AND slot = $3',
};

export async function freeSlot(db: Queryable, epoch: number, operatorId: number, slot: number): Promise<void> {
  await db.query(FREE_SLOT, [epoch, operatorId, slot]);
}

const LINK_STATES: Statement = {
  name: 'link-states',
  text: `SELECT operator_id, count(*) FILTER (WHERE s.bound)::int AS bound,
                count(*) FILTER (WHERE s.bound AND s.epoch = $1)::int AS mine
         FROM link_slots s JOIN nodes n ON n.epoch = s.epoch AND n.deadline > clock_timestamp()
         GROUP BY operator_id`,
};

/** Bound links of every operator, on all nodes and on this one. */
export function linkStates(
  db: Queryable,
  epoch: number,
): Promise<{ operator_id: number; bound: number; mine: number }[]> {
  return db.query(LINK_STATES, [epoch]);
}
