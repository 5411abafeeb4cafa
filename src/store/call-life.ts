/**
 * One call's life as the tables hold it: what was accepted, every event that was noted, where the call is now, and what
 * is owed for it. It only reads, in one snapshot, and does not mask the text and the number.
 */
import type { Database, Statement } from './database.ts';

export interface LivedCall {
  msgid: number;
  username: string | null;
  acceptedAtMs: number;
  /** E.164 digits. */
  phone: string;
  type: 1 | 2;
  body: string;
  voice: number;
  speed: number;
  volume: number;
  replayMode: number;
  replayTimes: number;
  response: string | null;
  unitPoints: number;
  unitSeconds: number;
  points: number;
  refunded: number;
  state: string | null;
  seconds: number | null;
  answeredAtMs: number | null;
  doneAtMs: number | null;
  reason: string | null;
}

export interface CallLifeEvent {
  atMs: number;
  kind: string;
  trunk: string | null;
  /** An HTTP status of a callback. */
  status: number | null;
  detail: string | null;
}

/** Where a call or its callback waits now. */
export type CallPlace =
  | {
      place: 'queue';
      claimedByEpoch: number | null;
      dueAtMs: number | null;
      attempts: number;
      speechFailures: number;
      redials: number;
      answeredAtMs: number | null;
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

export interface CallLife {
  call: LivedCall;
  events: CallLifeEvent[];
  places: CallPlace[];
}

const MS = (column: string): string => `(date_part('epoch', ${column}) * 1000)::float8`;

const SNAPSHOT: Statement = {
  name: 'call-life.snapshot',
  text: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY',
};

const CALL: Statement = {
  name: 'call-life.call',
  text: `SELECT c.msgid, a.username, ${MS('c.accepted_at')} AS "acceptedAtMs", c.phone, c.type, c.body, c.voice, c.speed, c.volume,
      c.replay AS "replayMode", c.replay_times AS "replayTimes", c.response, c.unit_points AS "unitPoints",
      c.unit_seconds AS "unitSeconds", c.points, c.refunded, c.state, c.seconds, ${MS('c.answered_at')} AS "answeredAtMs",
      ${MS('c.done_at')} AS "doneAtMs", c.reason
    FROM calls c LEFT JOIN accounts a USING (account_id) WHERE c.msgid = $1`,
};

/** Events of one instant come in the order in which they were written. */
const EVENTS: Statement = {
  name: 'call-life.events',
  text: `SELECT ${MS('at')} AS "atMs", kind, link AS trunk, status, detail FROM message_events
    WHERE msgid = $1 ORDER BY at, ctid`,
};

const QUEUE: Statement = {
  name: 'call-life.queue',
  text: `SELECT 'queue' AS place, claimed_by AS "claimedByEpoch", ${MS('due_at')} AS "dueAtMs", attempts,
      speech_failures AS "speechFailures", redials, ${MS('answered_at')} AS "answeredAtMs"
    FROM call_queue WHERE msgid = $1`,
};

const OUTBOX: Statement = {
  name: 'call-life.outbox',
  text: `SELECT 'outbox' AS place, callback_id::float8 AS "callbackId", url, attempts, ${MS('next_at')} AS "nextAtMs",
      ${MS('give_up_at')} AS "giveUpAtMs", given_up AS "givenUp"
    FROM outbox WHERE msgid = $1 ORDER BY callback_id`,
};

/** Undefined: no call has this msgid (any more). */
export function readCallLife(db: Database, msgid: number): Promise<CallLife | undefined> {
  return db.transaction(async (tx) => {
    await tx.query(SNAPSHOT, []);
    const [call] = await tx.query<LivedCall>(CALL, [msgid]);
    if (call === undefined) return undefined;
    const events = await tx.query<CallLifeEvent>(EVENTS, [msgid]);
    const queue = await tx.query<CallPlace>(QUEUE, [msgid]);
    const outbox = await tx.query<CallPlace>(OUTBOX, [msgid]);
    return { call, events, places: [...queue, ...outbox] };
  });
}
