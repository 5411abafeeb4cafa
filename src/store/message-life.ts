/**
 * One message's life as the tables hold it: what was accepted, every event that was noted, where the message is now,
 * and what is owed for it. It only reads, in one snapshot, and does not mask the text and the number.
 */
import type { Database, Queryable } from './database.ts';

export interface StoredMessage {
  msgid: number;
  username: string | null;
  acceptedAtMs: number;
  dueAtMs: number;
  expiresAtMs: number;
  scheduled: boolean;
  /** E.164 digits. */
  mobile: string;
  body: string;
  segments: number;
  points: number;
  refunded: number;
  drurl: string | null;
  state: string | null;
  correctable: boolean;
  doneAtMs: number | null;
}

export interface MessageEvent {
  atMs: number;
  kind: string;
  operator: string | null;
  segment: number | null;
  link: string | null;
  sequence: number | null;
  operatorMessageId: string | null;
  /** A command_status or an HTTP status, by the kind. */
  status: number | null;
  detail: string | null;
}

/** Where a message, a segment of it or its callback waits now. */
export type MessagePlace =
  | {
      place: 'queue';
      operator: string | null;
      rank: number;
      claimedByEpoch: number | null;
      attempts: number;
      resends: number;
    }
  | { place: 'deferred'; operator: string | null; why: 'scheduled' | 'retry'; dueAtMs: number; attempts: number }
  | {
      place: 'in-flight';
      operator: string | null;
      segment: number | null;
      operatorMessageId: string;
      outcomeUnknown: boolean;
      timedOut: boolean;
      submittedAtMs: number | null;
      overdueAtMs: number;
    }
  | {
      place: 'outbox';
      callbackId: number;
      url: string;
      attempts: number;
      nextAtMs: number;
      giveUpAtMs: number;
      givenUp: boolean;
    };

export interface MessageLife {
  message: StoredMessage;
  events: MessageEvent[];
  places: MessagePlace[];
}

/** Undefined: no message has this msgid (any more). */
export async function readMessageLife(db: Database, msgid: number): Promise<MessageLife | undefined> {
  return db.transaction(async (tx) => {
    await tx.query(
      { name: 'message-life.snapshot', text: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY' },
      [],
    );
    const [message] = await tx.query<StoredMessage>(
      {
        name: 'message-life.message',
        text: `SELECT m.msgid::float8 AS msgid, a.username, (extract(epoch FROM m.accepted_at) * 1000)::float8 AS "acceptedAtMs",
            (extract(epoch FROM m.due_at) * 1000)::float8 AS "dueAtMs",
            (extract(epoch FROM m.expires_at) * 1000)::float8 AS "expiresAtMs",
            m.scheduled, m.mobile, m.body, m.segments, m.points, m.refunded, m.drurl, m.state, m.correctable,
            (extract(epoch FROM m.done_at) * 1000)::float8 AS "doneAtMs"
          FROM messages m LEFT JOIN accounts a USING (account_id) WHERE m.msgid = $1`,
      },
      [msgid],
    );
    if (message === undefined) return undefined;
    return { message, events: await readEvents(tx, msgid), places: await readPlaces(tx, msgid) };
  });
}

/** Events of one instant come in the order in which they were written. */
async function readEvents(tx: Queryable, msgid: number): Promise<MessageEvent[]> {
  return tx.query<MessageEvent>(
    {
      name: 'message-life.events',
      text: `SELECT (extract(epoch FROM e.at) * 1000)::float8 AS "atMs", e.kind, o.name AS operator, e.segment, e.link,
          e.sequence::float8 AS sequence, e.operator_message_id AS "operatorMessageId", e.status, e.detail
        FROM message_events e LEFT JOIN operators o USING (operator_id)
        WHERE e.msgid = $1 ORDER BY e.at, e.ctid`,
    },
    [msgid],
  );
}

async function readPlaces(tx: Queryable, msgid: number): Promise<MessagePlace[]> {
  const queue = await tx.query<MessagePlace>(
    {
      name: 'message-life.queue',
      text: `SELECT 'queue' AS place, o.name AS operator, q.rank, q.claimed_by AS "claimedByEpoch", q.attempts, q.resends
        FROM queue q LEFT JOIN operators o USING (operator_id) WHERE q.msgid = $1`,
    },
    [msgid],
  );
  const deferred = await tx.query<MessagePlace>(
    {
      name: 'message-life.deferred',
      text: `SELECT 'deferred' AS place, o.name AS operator, d.why, (extract(epoch FROM d.due_at) * 1000)::float8 AS "dueAtMs",
          d.attempts
        FROM deferred d LEFT JOIN operators o USING (operator_id) WHERE d.msgid = $1`,
    },
    [msgid],
  );
  const inFlight = await tx.query<MessagePlace>(
    {
      name: 'message-life.in-flight',
      text: `SELECT 'in-flight' AS place, o.name AS operator, f.segment, f.operator_message_id AS "operatorMessageId",
          f.outcome_unknown AS "outcomeUnknown", f.timed_out AS "timedOut",
          (extract(epoch FROM f.submitted_at) * 1000)::float8 AS "submittedAtMs",
          (extract(epoch FROM f.overdue_at) * 1000)::float8 AS "overdueAtMs"
        FROM in_flight f LEFT JOIN operators o USING (operator_id) WHERE f.msgid = $1 ORDER BY f.segment`,
    },
    [msgid],
  );
  const outbox = await tx.query<MessagePlace>(
    {
      name: 'message-life.outbox',
      text: `SELECT 'outbox' AS place, callback_id::float8 AS "callbackId", url, attempts,
          (extract(epoch FROM next_at) * 1000)::float8 AS "nextAtMs",
          (extract(epoch FROM give_up_at) * 1000)::float8 AS "giveUpAtMs", given_up AS "givenUp"
        FROM outbox WHERE msgid = $1 ORDER BY callback_id`,
    },
    [msgid],
  );
  return [...queue, ...deferred, ...inFlight, ...outbox];
}
