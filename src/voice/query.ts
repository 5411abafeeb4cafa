/** What became of a call, as its customer may know it (voice §3, point 31). */
import type { CallState } from '../domain/voice-codes.ts';
import { findCall } from '../store/calls.ts';
import type { Database } from '../store/database.ts';

export type CallLookUp =
  | { readonly kind: 'not-found' }
  | { readonly kind: 'pending' }
  | {
      readonly kind: 'final';
      /** E.164 digits. */
      readonly phone: string;
      readonly seconds: number;
      readonly points: number;
      readonly state: CallState;
    };

export class CallQuery {
  readonly #database: Database;

  constructor(options: { database: Database }) {
    this.#database = options.database;
  }

  /** Another account's call is not found. Rejects when the database does not answer. */
  async lookUp(query: { accountId: number; msgid: number }): Promise<CallLookUp> {
    const call = await findCall(this.#database, query.msgid);
    if (call === undefined || call.accountId !== query.accountId) return { kind: 'not-found' };
    if (call.state === null) return { kind: 'pending' };
    const { phone, seconds, points, state } = call;
    return { kind: 'final', phone, seconds: seconds ?? 0, points, state };
  }
}
