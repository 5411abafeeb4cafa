/** Look-ups of messages by their customers, and the deletion of scheduled ones. */
import type { Queryable, Statement } from './database.ts';
import { SETTLED, type SettledRow, settling } from './settlement.ts';

export interface StoredMessage {
  readonly account_id: number;
  readonly mobile: string;
  readonly scheduled: boolean;
  readonly due_ms: number;
  readonly state: string | null;
  readonly done_ms: number | null;
}

const FIND: Statement = {
  name: 'find-message',
  text: `SELECT account_id, mobile, scheduled, (extract(epoch FROM due_at) * 1000)::float8 AS due_ms, state,
                (extract(epoch FROM done_at) * 1000)::float8 AS done_ms
         FROM messages WHERE msgid = $1`,
};

export async function findMessage(db: Queryable, msgid: number): Promise<StoredMessage | undefined> {
  return (await db.query<StoredMessage>(FIND, [msgid]))[0];
}

const DELETE_SCHEDULED: Statement = {
  name: 'delete-scheduled',
  text: `
WITH gone AS (
  DELETE FROM deferred WHERE msgid = $2 AND account_id = $3 AND mobile = $4 AND why = 'scheduled' AND due_at > to_timestamp($1 / 1000.0)
  RETURNING msgid
), verdicts AS (
  SELECT msgid, 'DELETED' AS state, $1::float8 AS done_ms, true AS refund, false AS correctable FROM gone
), ${settling('to_timestamp($1 / 1000.0)')}, told_end AS (
  INSERT INTO message_events (msgid, at, kind, detail)
  SELECT msgid, to_timestamp($1 / 1000.0), 'deleted', 'by the customer' FROM gone
)
${SETTLED('to_timestamp($1 / 1000.0)')}`,
};

/** Ends a scheduled message that is not due yet, with refund and callback; tells what it ended (nothing or one). */
export function deleteScheduledMessage(
  db: Queryable,
  nowMs: number,
  message: { msgid: number; accountId: number; mobile: string },
): Promise<SettledRow[]> {
  return db.query<SettledRow>(DELETE_SCHEDULED, [nowMs, message.msgid, message.accountId, message.mobile]);
}
