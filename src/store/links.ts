/**
 * Which node holds which bind of which operator. A slot belongs to an epoch; what dead epochs held is free.
 */
import type { Queryable, Statement } from './database.ts';

const TAKE_SLOT: Statement = {
  name: 'take-link-slot',
  text: `
WITH free AS (
  SELECT operator_id, slot FROM link_slots s
  WHERE operator_id = $2 AND (epoch IS NULL OR NOT EXISTS (SELECT FROM nodes n WHERE n.epoch = s.epoch AND n.deadline > clock_timestamp()))
    AND (SELECT count(*) FROM link_slots mine WHERE mine.operator_id = $2 AND mine.epoch = $1)
        < ceil((SELECT count(*) FROM link_slots every_slot WHERE every_slot.operator_id = $2)
               / greatest((SELECT count(*) FROM nodes WHERE deadline > clock_timestamp()), 1)::float8)
  ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE link_slots s SET epoch = $1, bound = false, detail = NULL
FROM free WHERE s.operator_id = free.operator_id AND s.slot = free.slot
RETURNING s.slot`,
};

/** Takes one free slot of an operator, at most this node's fair part of them. */
export async function takeSlot(db: Queryable, epoch: number, operatorId: number): Promise<number | undefined> {
  return (await db.query<{ slot: number }>(TAKE_SLOT, [epoch, operatorId]))[0]?.slot;
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
