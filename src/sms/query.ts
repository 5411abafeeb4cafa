/** What became of a message, as its customer may know it; and the deletion of a scheduled one. */
import type { Clock } from '../base/clock.ts';
import type { State } from '../domain/states.ts';
import type { Database } from '../store/database.ts';
import { deleteScheduledMessage, findMessage } from '../store/messages.ts';

/** Without `outrange=Y` older messages are not looked for (spec README point 24). */
const RANGE_MS = 72 * 3600 * 1000;

export type LookUp =
  | { readonly kind: 'not-found' }
  | { readonly kind: 'scheduled' }
  | { readonly kind: 'pending' }
  | { readonly kind: 'final'; readonly state: State; readonly doneAtMs: number };

export class MessageQuery {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #onEnded: () => void;

  constructor(options: { database: Database; clock: Clock; onEnded: () => void }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#onEnded = options.onEnded;
  }

  /** `mobile` in E.164 digits. Another account's message is not found, nor one to another mobile. */
  async lookUp(query: { accountId: number; msgid: number; mobile: string; outrange: boolean }): Promise<LookUp> {
    const message = await findMessage(this.#database, query.msgid);
    if (!message || message.account_id !== query.accountId || message.mobile !== query.mobile)
      return { kind: 'not-found' };
    const nowMs = this.#clock.now();
    if (!query.outrange && message.due_ms < nowMs - RANGE_MS) return { kind: 'not-found' };
    if (message.state !== null) {
      return { kind: 'final', state: message.state as State, doneAtMs: message.done_ms ?? nowMs };
    }
    return message.scheduled && message.due_ms > nowMs ? { kind: 'scheduled' } : { kind: 'pending' };
  }

  /** True only if this call deleted the message: it was scheduled, not due, and this account's. */
  async deleteScheduled(message: { accountId: number; msgid: number; mobile: string }): Promise<boolean> {
    const ended = await deleteScheduledMessage(this.#database, this.#clock.now(), message);
    if (ended.length > 0) this.#onEnded();
    return ended.length > 0;
  }
}
