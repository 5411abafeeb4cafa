/**
 * What happens to one submit_sm: refused, ignored, cut off, or taken, which means an id, a receipt owed and a place on
 * the handset, all in the journal before the response leaves.
 */
import type { Clock } from '../base/clock.ts';
import { type ConcatenationInfo, decodeUserData } from '../gsm/user-data.ts';
import { messageBytes, STATUS, type ShortMessageFields } from '../smpp/pdu.ts';
import { parseSmppTime } from '../smpp/validity.ts';
import { AttemptMemory, messageKey, segmentKey } from './attempt-memory.ts';
import {
  type Behaviour,
  behaviourOf,
  idInReceipt,
  idInResponse,
  judgeAttempt,
  type Outcome,
  type Verdict,
  wantsReceipt,
} from './behaviours.ts';
import type { Deliveries } from './deliveries.ts';
import type { DueQueue } from './due-queue.ts';
import type { Arrival, HandsetStore } from './handsets.ts';
import type { Journal } from './journal.ts';
import { arrivalLine } from './journal-lines.ts';
import type { MessageIds } from './message-ids.ts';
import type { OwedDelivery } from './owed-delivery.ts';
import { handsetNumber } from './phone-numbers.ts';
import { ReversedReceipts } from './reversed-receipts.ts';
import { Pressure, type Tuning } from './tuning.ts';

/** esm_class bit 6 of §5.2.12: the short message begins with a user data header. */
const ESM_CLASS_UDHI = 0x40;
/** How long the response stays behind when the receipt is to come first. */
const RECEIPT_HEAD_START_MS = 100;

export interface Submit {
  message: ShortMessageFields;
  respond(status: number, messageId?: string): void;
  /** Ends the connection without an answer. */
  cut(): void;
}

interface Known extends Submit {
  number: string;
  text: string;
  concat: ConcatenationInfo | undefined;
  behaviour: Behaviour;
  nowMs: number;
}

interface IntakeDependencies {
  clock: Clock;
  later: DueQueue;
  journal: Journal;
  ids: MessageIds;
  handsets: HandsetStore;
  deliveries: Deliveries;
  /** Read at every submit: it may change. */
  tuning: () => Tuning;
}

export class Intake {
  readonly #dependencies: IntakeDependencies;
  readonly #attempts = new AttemptMemory();
  readonly #pressure = new Pressure();
  readonly #reversed: ReversedReceipts;

  constructor(dependencies: IntakeDependencies) {
    this.#dependencies = dependencies;
    this.#reversed = new ReversedReceipts(dependencies);
  }

  submit(submit: Submit): void {
    const nowMs = this.#dependencies.clock.now();
    const { message } = submit;
    const refusal = this.#pressure.refusal(this.#dependencies.tuning(), nowMs);
    if (refusal !== undefined) {
      this.#respond(submit, refusal);
      return;
    }
    const number = handsetNumber(message.destination.digits);
    if (number === undefined) {
      this.#respond(submit, STATUS.ESME_RINVDSTADR);
      return;
    }
    if (this.#dependencies.deliveries.full) {
      this.#respond(submit, STATUS.ESME_RMSGQFUL);
      return;
    }
    this.#judge({ ...submit, ...readContent(message), number, behaviour: behaviourOf(number), nowMs });
  }

  #judge(known: Known): void {
    const verdict = this.#verdict(known);
    if (verdict.taken) {
      this.#take(known, verdict);
      return;
    }
    if (verdict.reply.kind === 'status') this.#respond(known, verdict.reply.status);
  }

  #verdict({ message, concat, behaviour, nowMs }: Known): Verdict {
    const { answer } = behaviour;
    const partOfLong = concat !== undefined;
    if (answer.kind === 'accept') return judgeAttempt(answer, { earlier: undefined, nowMs, partOfLong });
    const key = answer.kind === 'cut-first' ? messageKey(message, concat) : segmentKey(message, concat);
    const verdict = judgeAttempt(answer, { earlier: this.#attempts.earlier(key, nowMs), nowMs, partOfLong });
    if (verdict.settled) this.#attempts.forget(key);
    else this.#attempts.remember(key, nowMs);
    return verdict;
  }

  #take(known: Known, verdict: Verdict): void {
    const { journal, ids, handsets } = this.#dependencies;
    const id = ids.next();
    const outcome = hasExpired(known.message.validityPeriod, known.nowMs) ? 'EXPIRED' : known.behaviour.outcome;
    const owed = this.#owe(known, outcome, id);
    const arrival = outcome === 'DELIVRD' ? arrivalOf(known) : undefined;
    if (arrival !== undefined) journal.append(arrivalLine(arrival));
    journal.whenWritten((written) => {
      if (!written) {
        this.#respond(known, STATUS.ESME_RSYSERR);
        return;
      }
      if (verdict.reply.kind === 'cut') known.cut();
      if (verdict.reply.kind === 'status') this.#confirm(known, id);
      if (arrival !== undefined) handsets.receive(arrival);
      if (owed !== undefined) this.#release(known, owed);
    });
  }

  #owe(known: Known, outcome: Outcome, id: number): OwedDelivery | undefined {
    const { message, behaviour, nowMs } = known;
    if (!wantsReceipt(message.registeredDelivery, outcome)) return undefined;
    const { receipt } = behaviour;
    const { latencyMs, receiptDelayMs } = this.#dependencies.tuning();
    return this.#dependencies.deliveries.record({
      dueMs: receipt.beforeResponse ? nowMs : nowMs + latencyMs + receiptDelayMs + receipt.extraDelayMs,
      source: message.destination,
      destination: message.source,
      content: {
        kind: 'receipt',
        messageId: idInReceipt(id, receipt),
        outcome,
        submittedMs: nowMs,
        doneMs: nowMs,
        withTlvs: receipt.tlvs,
        userMessageReference: message.tlvs.userMessageReference,
        copies: receipt.copies,
        reversed: receipt.reversed,
      },
    });
  }

  #release(known: Known, owed: OwedDelivery): void {
    const { concat, message, behaviour } = known;
    if (behaviour.receipt.reversed && concat !== undefined && concat.total > 1) {
      this.#reversed.add(owed, { key: messageKey(message, concat), ...concat });
    } else {
      this.#dependencies.deliveries.schedule(owed);
    }
  }

  #confirm(known: Known, id: number): void {
    const { receipt } = known.behaviour;
    this.#respond(known, STATUS.ESME_ROK, {
      messageId: idInResponse(id, receipt),
      atLeastMs: receipt.beforeResponse ? RECEIPT_HEAD_START_MS : 0,
    });
  }

  #respond(submit: Submit, status: number, accepted?: { messageId: string; atLeastMs: number }): void {
    const { clock, later, tuning } = this.#dependencies;
    const latencyMs = Math.max(tuning().latencyMs, accepted?.atLeastMs ?? 0);
    if (latencyMs === 0) submit.respond(status, accepted?.messageId);
    else later.at(clock.now() + latencyMs, () => submit.respond(status, accepted?.messageId));
  }
}

function readContent(message: ShortMessageFields): { text: string; concat: ConcatenationInfo | undefined } {
  const udhi = (message.esmClass & ESM_CLASS_UDHI) !== 0;
  const bytes = messageBytes(message);
  const { text, concat } = decodeUserData({ dataCoding: message.dataCoding, udhi, bytes, defaultAlphabet: 'gsm7' });
  return { text, concat: concat ?? sarPlace(message) };
}

/** The place that the sar_ TLVs give, §5.3.2.22 to §5.3.2.24. */
function sarPlace({ tlvs }: ShortMessageFields): ConcatenationInfo | undefined {
  const { sarMsgRefNum: reference, sarTotalSegments: total, sarSegmentSeqnum: sequence } = tlvs;
  if (reference === undefined || total === undefined || sequence === undefined) return undefined;
  return total > 0 && sequence > 0 && sequence <= total ? { reference, total, sequence } : undefined;
}

function arrivalOf({ number, message, text, concat, nowMs }: Known): Arrival {
  const arrival = { number, from: message.source.digits, text, atMs: nowMs };
  return concat === undefined ? arrival : { ...arrival, part: concat };
}

/** Whether validity_period (§7.1.1) has run out at its arrival. One that is none is no limit. */
function hasExpired(validityPeriod: string, nowMs: number): boolean {
  if (validityPeriod === '') return false;
  const validity = parseSmppTime(validityPeriod);
  if (validity === undefined) return false;
  return validity.kind === 'relative' ? validity.seconds <= 0 : validity.atMs <= nowMs;
}
