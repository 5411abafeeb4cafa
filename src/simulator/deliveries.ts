/**
 * Sends what the operator owes, receipts and incoming messages, over whichever receivers are bound, and keeps each
 * until its deliver_sm_resp says ESME_ROK: a refused, unanswered or cut one is sent again. Without a receiver all wait.
 */
import type { Clock } from '../base/clock.ts';
import { STATUS } from '../smpp/pdu.ts';
import type { ServerSession } from '../smpp/server.ts';
import type { SubmitResult } from '../smpp/session.ts';
import type { DueQueue } from './due-queue.ts';
import type { Journal } from './journal.ts';
import { owedLine, struckLine } from './journal-lines.ts';
import { type OwedDelivery, renderDelivery } from './owed-delivery.ts';

/** Owed and not acknowledged; about 400 bytes each. Beyond it submits are refused as queue full. */
const MAX_OWED = 1_000_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

interface Waiting {
  owed: OwedDelivery;
  attempts: number;
}

export class Deliveries {
  readonly #clock: Clock;
  readonly #later: DueQueue;
  readonly #journal: Journal;
  readonly #owed = new Map<number, OwedDelivery>();
  readonly #receivers: ServerSession[] = [];
  /** Due, from `#head` on; what lies before was sent. */
  #due: Waiting[] = [];
  #head = 0;
  #turn = 0;
  #nextKey = 1;
  #stopped = false;

  constructor(dependencies: { clock: Clock; later: DueQueue; journal: Journal }) {
    this.#clock = dependencies.clock;
    this.#later = dependencies.later;
    this.#journal = dependencies.journal;
  }

  /** Owed and not acknowledged yet. */
  get size(): number {
    return this.#owed.size;
  }

  get full(): boolean {
    return this.#owed.size >= MAX_OWED;
  }

  /** Writes the debt to the journal and gives it its key. It counts, and is sent, after `schedule`. */
  record(debt: Omit<OwedDelivery, 'key'>): OwedDelivery {
    const owed = { key: this.#nextKey++, ...debt };
    this.#journal.append(owedLine(owed));
    return owed;
  }

  /** To be sent when its time has come. */
  schedule(owed: OwedDelivery): void {
    this.hold(owed);
    this.#later.at(owed.dueMs, () => {
      const copies = owed.content.kind === 'receipt' ? owed.content.copies : 1;
      for (let copy = 0; copy < copies; copy++) this.#makeDue({ owed, attempts: 0 });
    });
  }

  /** Counts it as owed; the caller calls `schedule` later. */
  hold(owed: OwedDelivery): void {
    this.#owed.set(owed.key, owed);
  }

  /** Takes back a debt of the last life. */
  restore(owed: OwedDelivery): void {
    this.#nextKey = Math.max(this.#nextKey, owed.key + 1);
    this.#owed.set(owed.key, owed);
  }

  /** Forgets a debt of the last life that was paid. */
  forget(key: number): void {
    this.#nextKey = Math.max(this.#nextKey, key + 1);
    this.#owed.delete(key);
  }

  /** Everything restored is on its way again. */
  resume(): void {
    for (const owed of this.#owed.values()) this.schedule(owed);
  }

  all(): Iterable<OwedDelivery> {
    return this.#owed.values();
  }

  addReceiver(session: ServerSession): void {
    this.#receivers.push(session);
    this.#pump();
  }

  removeReceiver(session: ServerSession): void {
    const at = this.#receivers.indexOf(session);
    if (at !== -1) this.#receivers.splice(at, 1);
  }

  stop(): void {
    this.#stopped = true;
    this.#due = [];
    this.#head = 0;
  }

  #makeDue(waiting: Waiting): void {
    if (this.#stopped) return;
    this.#due.push(waiting);
    this.#pump();
  }

  #pump(): void {
    while (this.#head < this.#due.length) {
      const waiting = this.#due[this.#head];
      if (waiting === undefined) break;
      const receiver = this.#chooseReceiver(waiting.owed);
      if (receiver === undefined) break;
      this.#head += 1;
      this.#send(receiver, waiting);
    }
    if (this.#head > 1_000 && this.#head * 2 > this.#due.length) {
      this.#due = this.#due.slice(this.#head);
      this.#head = 0;
    } else if (this.#head === this.#due.length) {
      this.#due.length = 0;
      this.#head = 0;
    }
  }

  /**
   * In turn, so that a platform gets receipts on another link than it submitted on; in one line where order matters.
   */
  #chooseReceiver({ content }: OwedDelivery): ServerSession | undefined {
    const count = this.#receivers.length;
    const from = content.kind === 'receipt' && content.reversed ? 0 : this.#turn++;
    for (let step = 0; step < count; step++) {
      const receiver = this.#receivers[(from + step) % count];
      if (receiver !== undefined && receiver.freeWindow() > 0) return receiver;
    }
    return undefined;
  }

  #send(receiver: ServerSession, waiting: Waiting): void {
    const message = renderDelivery(waiting.owed);
    receiver.deliver(message, (result) => {
      this.#settle(waiting, result);
      this.#pump();
    });
  }

  #settle(waiting: Waiting, result: SubmitResult): void {
    const { owed, attempts } = waiting;
    if (result.kind === 'response' && result.status === STATUS.ESME_ROK) {
      this.#acknowledged(owed);
      return;
    }
    // A lost link is no reason to pause: there may be another, and if not, the delivery waits for one anyway.
    const lost = result.kind === 'not-sent' || (result.kind === 'unknown' && result.reason === 'closed');
    const pauseMs = lost ? 0 : Math.min(FIRST_RETRY_MS * 2 ** attempts, LAST_RETRY_MS);
    const next = { owed, attempts: lost ? attempts : attempts + 1 };
    this.#later.at(this.#clock.now() + pauseMs, () => this.#makeDue(next));
  }

  #acknowledged(owed: OwedDelivery): void {
    const { content } = owed;
    if (content.kind === 'receipt' && content.copies > 1) {
      content.copies -= 1;
      return;
    }
    this.#owed.delete(owed.key);
    this.#journal.append(struckLine(owed.key));
  }
}
