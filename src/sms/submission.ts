/**
 * One claimed message on its way through a link: segment after segment, each after the answer to the one before,
 * so that a refusal stops the rest. Ends with exactly one outcome, which says what is known and what is not.
 */
import { encodeSegments, type WireSegment } from '../gsm/segments.ts';
import type { OperatorSettings } from '../domain/operator-settings.ts';
import { displayMobile } from '../domain/phone-number.ts';
import { sourceAddressOf } from '../domain/source-address.ts';
import { type RefusalMeaning, stateOfCommandStatus } from '../domain/states.ts';
import type { ShortMessageFields } from '../smpp/pdu.ts';
import type { SubmitResult } from '../smpp/session.ts';
import { formatRelativeTime } from '../smpp/validity.ts';
import type { QueuedMessage } from '../store/queue.ts';
import type { EndedMessage, SubmitEvent, SubmittedSegment } from '../store/submissions.ts';
import type { UnansweredSubmit } from './late-response.ts';
import type { Outcome } from './outcome.ts';

const ESM_CLASS_UDHI = 0x40;
const REGISTERED_DELIVERY_FINAL = 1;
/** Pauses before another try of one message: 5 s, 10 s, … to a minute. */
const RETRY_BASE_MS = 5_000;
const RETRY_MAX_MS = 60_000;
/**
 * Pause before a submit that timed out is repeated. A response that is late by less than this finds the message
 * unclaimed and is recorded before anyone can repeat the submit.
 */
const LATE_RESPONSE_PAUSE_MS = 1_000;
/** A submit without an outcome is sent again once at most (design, promise 4). */
export const MAX_RESENDS = 1;

export interface SubmissionContext {
  readonly operatorId: number;
  readonly settings: OperatorSettings;
  readonly epoch: number;
  readonly link: string;
  readonly claimedAtMs: number;
  readonly graceMs: number;
  readonly now: () => number;
  readonly submit: (message: ShortMessageFields, onResult: (result: SubmitResult) => void) => void;
  /** Called with how each submit_sm was answered: a command_status, or what happened instead. */
  readonly onResult: (result: SubmitResult, meaning: RefusalMeaning | 'accepted' | undefined) => void;
  /** Whether an operator said after its time that it took this segment. */
  readonly saysTaken: (msgid: number, segment: number) => boolean;
  /** A submit_sm has no response in time; one may still come under this sequence_number. */
  readonly onTimeout: (sequence: number, submit: UnansweredSubmit) => void;
  readonly onOutcome: (outcome: Outcome) => void;
}

/** Segments of a message that are still to go out. */
export function segmentsLeft(message: QueuedMessage): number {
  let left = 0;
  for (let index = 0; index < message.segments; index += 1) if ((message.sentMask & (1 << index)) === 0) left += 1;
  return left;
}

/** The 16-bit user_message_reference of a segment: the second key of its receipt. */
export function userMessageReference(msgid: number, segment: number): number {
  return (msgid * 8 + segment) % 0x10000;
}

/**
 * The last segment of a message that was submitted once, without an outcome, and can't be sent again: it waits for a
 * receipt. Undefined for every other message.
 */
export function unresolvedSegment(
  message: QueuedMessage,
  context: { operatorId: number; graceMs: number; nowMs: number; detail: string },
): SubmittedSegment | undefined {
  if (message.resends === 0 || segmentsLeft(message) !== 1) return undefined;
  let segment = 1;
  while ((message.sentMask & (1 << (segment - 1))) !== 0) segment += 1;
  return {
    msgid: message.msgid,
    operatorId: context.operatorId,
    segment,
    segments: message.segments,
    mobile: message.mobile,
    operatorMessageId: undefined,
    reference: userMessageReference(message.msgid, segment),
    link: '',
    sequence: 0,
    submittedAtMs: context.nowMs,
    overdueAtMs: message.expiresAtMs + context.graceMs,
    detail: context.detail,
    last: true,
  };
}

export class Submission {
  readonly #message: QueuedMessage;
  readonly #context: SubmissionContext;
  readonly #segments: readonly WireSegment[];
  readonly #reference: number | undefined;
  readonly #submitted: SubmittedSegment[] = [];
  readonly #events: SubmitEvent[] = [];
  #sentMask: number;
  #index = 0;

  constructor(message: QueuedMessage, reference: number, context: SubmissionContext) {
    this.#message = message;
    this.#context = context;
    this.#sentMask = message.sentMask;
    this.#reference = message.segments > 1 ? (message.reference ?? reference) : undefined;
    this.#segments = encodeSegments(message.body, {
      concatenation: context.settings.concatenation,
      defaultAlphabet: context.settings.defaultAlphabet,
      reference: this.#reference ?? 0,
    });
  }

  start(): void {
    this.#next();
  }

  #next(): void {
    while (this.#index < this.#segments.length && (this.#sentMask & (1 << this.#index)) !== 0) this.#index += 1;
    const segment = this.#segments[this.#index];
    if (!segment) {
      this.#finish({ ended: undefined, returned: undefined });
      return;
    }
    const submittedAtMs = this.#context.now();
    if (this.#message.resends > 0 && this.#context.saysTaken(this.#message.msgid, this.#index + 1)) {
      // No second copy: the response is recorded as soon as nobody holds the message.
      this.#giveBack(submittedAtMs + LATE_RESPONSE_PAUSE_MS, this.#message.attempts, this.#message.resends);
      return;
    }
    this.#context.submit(this.#fieldsOf(segment, submittedAtMs), (result) => this.#answered(result, submittedAtMs));
  }

  #answered(result: SubmitResult, submittedAtMs: number): void {
    switch (result.kind) {
      case 'not-sent':
        this.#context.onResult(result, undefined);
        this.#giveBack(undefined, this.#message.attempts, this.#message.resends);
        return;
      case 'unknown':
        this.#context.onResult(result, undefined);
        this.#unknown(result.sequence, result.reason, submittedAtMs);
        return;
      case 'response':
        if (result.status === 0) {
          this.#context.onResult(result, 'accepted');
          this.#taken(result.messageId, result.sequence, submittedAtMs, undefined);
        } else this.#refused(result.status, result.sequence, submittedAtMs, result);
        return;
    }
  }

  #taken(
    operatorMessageId: string | undefined,
    sequence: number,
    submittedAtMs: number,
    detail: string | undefined,
  ): void {
    this.#sentMask |= 1 << this.#index;
    this.#submitted.push({
      msgid: this.#message.msgid,
      operatorId: this.#context.operatorId,
      segment: this.#index + 1,
      segments: this.#segments.length,
      mobile: this.#message.mobile,
      // An operator that takes a message without giving it an id leaves it as unknown as one that says nothing.
      operatorMessageId: operatorMessageId === '' ? undefined : operatorMessageId,
      reference: userMessageReference(this.#message.msgid, this.#index + 1),
      link: this.#context.link,
      sequence,
      submittedAtMs,
      overdueAtMs: this.#message.expiresAtMs + this.#context.graceMs,
      detail: detail ?? `claimed ${new Date(this.#context.claimedAtMs).toISOString()}`,
      last: false,
    });
    this.#index += 1;
    this.#next();
  }

  #unknown(sequence: number, reason: string, submittedAtMs: number): void {
    const words = reason === 'timeout' ? 'no response in time' : 'the link closed before the response';
    const { msgid, resends, sourceAddress } = this.#message;
    const resend = this.#context.settings.unknownPolicy === 'resend' && resends < MAX_RESENDS;
    if (reason === 'timeout') {
      const segment = this.#index + 1;
      const reference = userMessageReference(msgid, segment);
      const { operatorId } = this.#context;
      const only = !resend && resends === 0;
      const submit = { operatorId, msgid, segment, sourceAddress, reference, submittedAtMs, only };
      this.#context.onTimeout(sequence, { ...submit, concatenationReference: this.#reference });
    }
    if (!resend) {
      this.#taken(undefined, sequence, submittedAtMs, `${words}; waits for a receipt`);
      return;
    }
    this.#note('outcome-unknown', submittedAtMs, sequence, undefined, `${words}; will be sent once more`);
    // Over a closed link no response can come.
    const dueAtMs = reason === 'timeout' ? this.#context.now() + LATE_RESPONSE_PAUSE_MS : undefined;
    this.#giveBack(dueAtMs, this.#message.attempts, this.#message.resends + 1);
  }

  #refused(status: number, sequence: number, submittedAtMs: number, result: SubmitResult): void {
    const meaning = stateOfCommandStatus(status, this.#context.settings.statusOverrides);
    this.#context.onResult(result, meaning);
    if (meaning === 'throttled') {
      this.#note('throttled', submittedAtMs, sequence, status, 'the link pauses, the message stays first');
      this.#giveBack(undefined, this.#message.attempts, this.#message.resends);
      return;
    }
    if (meaning === 'retry' || meaning === 'queue-full') {
      const attempts = this.#message.attempts + 1;
      const pauseMs = Math.min(RETRY_BASE_MS * 2 ** Math.min(attempts - 1, 10), RETRY_MAX_MS);
      this.#note('put-off', submittedAtMs, sequence, status, `tried again in ${pauseMs / 1000} s`);
      this.#giveBack(this.#context.now() + pauseMs, attempts, this.#message.resends);
      return;
    }
    this.#finish({
      returned: undefined,
      ended: {
        msgid: this.#message.msgid,
        state: meaning,
        // Any segment taken or unknown means that an operator took the message (design, Operator links).
        refund: this.#sentMask === 0 && this.#message.resends === 0,
        event: 'refused',
        operatorId: this.#context.operatorId,
        segment: this.#index + 1,
        link: this.#context.link,
        sequence,
        status,
        detail: undefined,
      },
    });
  }

  #giveBack(dueAtMs: number | undefined, attempts: number, resends: number): void {
    this.#finish({
      ended: undefined,
      returned: {
        msgid: this.#message.msgid,
        claim: this.#message.claim,
        dueAtMs,
        sentMask: this.#sentMask,
        reference: this.#reference,
        attempts: Math.min(attempts, 0x7fff),
        resends,
      },
    });
  }

  #note(kind: string, atMs: number, sequence: number, status: number | undefined, detail: string): void {
    this.#events.push({
      msgid: this.#message.msgid,
      atMs,
      kind,
      operatorId: this.#context.operatorId,
      segment: this.#index + 1,
      link: this.#context.link,
      sequence,
      operatorMessageId: undefined,
      status,
      detail,
    });
  }

  /** The message leaves the queue with its last segment, unless it goes back or ends otherwise. */
  #finish(end: { ended: EndedMessage | undefined; returned: Outcome['returned'] }): void {
    const leaves = !end.ended && !end.returned;
    const submitted = leaves
      ? this.#submitted.map((segment, index) =>
          index === this.#submitted.length - 1 ? { ...segment, last: true } : segment,
        )
      : this.#submitted;
    this.#context.onOutcome({ epoch: this.#context.epoch, submitted, events: this.#events, ...end });
  }

  #fieldsOf(segment: WireSegment, nowMs: number): ShortMessageFields {
    const { settings } = this.#context;
    const international = settings.destinationForm === 'international';
    const validSeconds = Math.max(1, Math.ceil((this.#message.expiresAtMs - nowMs) / 1000));
    return {
      serviceType: settings.serviceType,
      source: sourceAddressOf(this.#message.sourceAddress, settings),
      destination: {
        ton: settings.destinationTon,
        npi: settings.destinationNpi,
        digits: international ? this.#message.mobile : displayMobile(this.#message.mobile),
      },
      esmClass: segment.esmClassUdhi ? ESM_CLASS_UDHI : 0,
      protocolId: 0,
      priorityFlag: 0,
      scheduleDeliveryTime: '',
      validityPeriod: formatRelativeTime(validSeconds),
      registeredDelivery: REGISTERED_DELIVERY_FINAL,
      replaceIfPresent: 0,
      dataCoding: segment.dataCoding,
      defaultMessageId: 0,
      shortMessage: segment.shortMessage,
      tlvs: {
        userMessageReference: userMessageReference(this.#message.msgid, this.#index + 1),
        ...(segment.sar
          ? {
              sarMsgRefNum: segment.sar.reference,
              sarTotalSegments: segment.sar.total,
              sarSegmentSeqnum: segment.sar.sequence,
            }
          : {}),
      },
    };
  }
}
