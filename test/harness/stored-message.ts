/** Messages written straight into the tables, in states that the stages themselves reach only when something dies. */
import type { SmsNode } from './sms-node.ts';

export interface StoredMessage {
  readonly msgid: number;
  readonly mobile?: string;
  readonly body?: string;
  readonly segments?: number;
  readonly operatorId?: number;
  /** From now. */
  readonly expiresInMs?: number;
  readonly claimedBy?: number;
  readonly resends?: number;
  readonly sentMask?: number;
  readonly rank?: number;
}

type Where = Pick<SmsNode, 'rows' | 'accountId' | 'operatorId'>;

/** A message of one point in `messages` and, charged or not, in the queue. */
export async function storeQueued(node: Where, message: StoredMessage): Promise<number> {
  const { msgid, mobile = '886911222333', body = 'stored', segments = 1, expiresInMs = 3_600_000 } = message;
  const expires = `now() + ${expiresInMs} * interval '1 millisecond'`;
  await node.rows(
    `INSERT INTO messages (msgid, account_id, accepted_at, due_at, expires_at, scheduled, mobile, body, segments, points)
     VALUES (${msgid}, ${node.accountId}, now(), now(), ${expires}, false, $1, $2, ${segments}, 1)`,
    [mobile, body],
  );
  await node.rows(
    `INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at, claimed_by, resends, sent_mask)
     VALUES (${msgid}, ${message.operatorId ?? node.operatorId}, ${message.rank ?? 1}, ${node.accountId}, $1, $2, ${segments}, now(), ${expires},
       ${message.claimedBy ?? 'NULL'}, ${message.resends ?? 0}, ${message.sentMask ?? 0})`,
    [mobile, body],
  );
  return msgid;
}
