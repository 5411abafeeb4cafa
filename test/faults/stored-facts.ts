/** What the database says of every message and call of a run, and of the accounts' points. Read when all is quiet. */
import type { Database } from '../../src/store/database.ts';
import { checkLedger } from '../../src/store/ledger.ts';

export interface StoredMessage {
  readonly kind: 'message' | 'call';
  readonly msgid: number;
  /** Of the request, out of its callback URL. */
  readonly serial: number;
  readonly state: string | null;
  readonly segments: number;
  readonly points: number;
  readonly refunded: number;
  /** Nobody ever knew whether one of its submits was taken; for a call: whether one was dialled. */
  readonly inDoubt: boolean;
  /** Of a call. */
  readonly seconds: number | null;
  readonly unitPoints: number;
  readonly unitSeconds: number;
  /** By the platform's clock, which is the machine's during the load. */
  readonly answeredAtMs: number | null;
}

export interface StoredFacts {
  readonly messages: readonly StoredMessage[];
  readonly balance: number;
  readonly toppedUp: number;
  /** Points that the ledger charged, and gave back. */
  readonly charged: number;
  readonly givenBack: number;
  /** Batches whose charge is more than their messages' points, and all other disagreements. */
  readonly chargedTooMuch: number;
  readonly mismatches: readonly unknown[];
}

const SERIAL = (column: string): string => `coalesce(substring(${column} FROM 'serial=(\\d+)'), '-1')::int AS serial`;

const MESSAGES = {
  name: 'faults.messages',
  text: `
    SELECT 'message' AS kind, msgid::float8 AS msgid, ${SERIAL('drurl')}, state, segments, points, refunded,
      EXISTS (SELECT FROM message_events e WHERE e.msgid = m.msgid
        AND (e.kind = 'outcome-unknown' OR e.detail LIKE '%waits for a receipt%')) AS "inDoubt",
      NULL::int AS seconds, 0 AS "unitPoints", 1 AS "unitSeconds", NULL::float8 AS "answeredAtMs"
    FROM messages m
    UNION ALL
    SELECT 'call', msgid::float8, ${SERIAL('response')}, state, 1, points, refunded, false, seconds, unit_points, unit_seconds,
      extract(epoch FROM answered_at)::float8 * 1000
    FROM calls`,
};

const POINTS = {
  name: 'faults.points',
  text: `
    SELECT a.balance::float8 AS balance, coalesce(sum(l.points) FILTER (WHERE l.kind = 'topup'), 0)::float8 AS "toppedUp",
      coalesce(-sum(l.points) FILTER (WHERE l.kind = 'charge'), 0)::float8 AS charged,
      coalesce(sum(l.points) FILTER (WHERE l.kind = 'refund'), 0)::float8 AS "givenBack"
    FROM accounts a LEFT JOIN ledger l USING (account_id)
    WHERE a.username = $1 GROUP BY a.account_id`,
};

export async function readStoredFacts(database: Database, username: string): Promise<StoredFacts> {
  const messages = await database.query<StoredMessage>(MESSAGES, []);
  const [points] = await database.query<Pick<StoredFacts, 'balance' | 'toppedUp' | 'charged' | 'givenBack'>>(POINTS, [
    username,
  ]);
  if (points === undefined) throw new Error(`there is no account ${username}`);
  const { mismatches } = await checkLedger(database);
  const chargedTooMuch = mismatches.filter((one) => one.check === 'charges' && one.ledger > one.messages).length;
  return { messages, ...points, chargedTooMuch, mismatches };
}

/** What is still to be done, by kind; all 0 when everything has come to its end. */
export interface Unfinished {
  readonly queued: number;
  readonly scheduled: number;
  /** Waiting for a receipt that an operator owes. */
  readonly awaited: number;
  /** Waiting for a receipt that may never come. */
  readonly inDoubt: number;
  readonly calls: number;
  readonly callbacks: number;
}

const UNFINISHED = {
  name: 'faults.unfinished',
  text: `
    SELECT (SELECT count(*) FROM queue)::int AS queued,
      (SELECT count(*) FROM deferred CROSS JOIN clock_shift
        WHERE due_at < clock_timestamp() + offset_ms * interval '1 millisecond' + interval '10 minutes')::int AS scheduled,
      (SELECT count(*) FROM in_flight WHERE msgid IS NOT NULL AND NOT outcome_unknown AND NOT timed_out)::int AS awaited,
      (SELECT count(*) FROM in_flight WHERE msgid IS NOT NULL AND outcome_unknown AND NOT timed_out)::int AS "inDoubt",
      (SELECT count(*) FROM call_queue)::int AS calls,
      (SELECT count(*) FROM outbox WHERE NOT given_up)::int AS callbacks`,
};

export async function readUnfinished(database: Database): Promise<Unfinished> {
  const [row] = await database.query<Unfinished>(UNFINISHED, []);
  if (row === undefined) throw new Error('a count without a row');
  return row;
}

/** Moves the clock of the platform, on all nodes. */
export async function moveClock(database: Database, byMs: number): Promise<void> {
  await database.query({ name: 'faults.move-clock', text: 'UPDATE clock_shift SET offset_ms = offset_ms + $1' }, [
    byMs,
  ]);
}

const EVENTS = {
  name: 'faults.events',
  text: `SELECT msgid::float8 AS msgid, at, kind, segment, link, status, detail FROM message_events
    WHERE msgid = ANY ($1::bigint[]) ORDER BY msgid, at`,
};

/** The lives of these messages and calls, for whoever has to explain what was found. */
export function readEvents(database: Database, msgids: readonly number[]): Promise<object[]> {
  return database.query<object>(EVENTS, [msgids]);
}
