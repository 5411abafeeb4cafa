/**
 * Incoming messages: joined from their segments, stored for the account that owns the address, queued for a push to its
 * URL if it has one, and only then acknowledged to the operator. After 15 minutes an incomplete message is shown with
 * its gaps marked, and a text that looked like a receipt but matched no segment is shown as a message.
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { asciiJson, incomingRow } from '../domain/answers.ts';
import type { OperatorSettings } from '../domain/operator-settings.ts';
import { parseAnyMsisdn } from '../domain/phone-number.ts';
import { stateOfReceipt } from '../domain/states.ts';
import { decodeUserData } from '../gsm/user-data.ts';
import { parseReceiptText } from '../smpp/receipt-text.ts';
import { messageBytes, type ShortMessageFields, STATUS } from '../smpp/pdu.ts';
import type { Database, Queryable, StageConnection } from '../store/database.ts';
import { isStillKept } from '../store/kept-receipts.ts';
import {
  type Arrival,
  type ArrivedSegment,
  dueGroups,
  type DoubtfulText,
  findSegment,
  forgetGroup,
  forgetJoined,
  holdDoubtful,
  joinGroup,
  owePush,
  type SegmentGroup,
  storeArrival,
  storeSegment,
  takeDoubtful,
  takeGroup,
} from '../store/incoming.ts';
import type { Receipt } from './parse-receipt.ts';

const ESM_CLASS_UDHI = 0x40;
const JOIN_WITHIN_MS = 15 * 60_000;
/** The same segment within this time is a copy of the one that was shown (spec README point 34). */
const COPY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
const MISSING = '[…]';
/**
 * 255 parts of 153 characters, the most that a handset can send (TS 23.040 §9.2.3.24.1); anything beyond is cut off.
 */
const MAX_TEXT_CHARACTERS = 255 * 153;
/** SMPP 3.4 §4.7.1 allows 64. A longer one fits no index, and the operator would send its message again for ever. */
const MAX_ADDRESS_CHARACTERS = 64;

export class Incoming {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onOwed: () => void;
  readonly #connection: StageConnection;
  readonly #look: Periodic;
  /** Arrivals are handled one after the other, since two segments of a message must see each other. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: { database: Database; clock: Clock; log: Logger; onOwed: () => void }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#onOwed = options.onOwed;
    this.#connection = options.database.stage();
    this.#look = new Periodic({
      everyMs: LOOK_EVERY_MS,
      run: async () => {
        await this.#inTurn(() => this.#showDue());
        return false;
      },
      onError: (error) => options.log.warn({ err: error }, 'incomplete incoming messages could not be looked for'),
    });
  }

  start(): void {
    this.#look.start();
  }

  async stop(): Promise<void> {
    await this.#look.stop();
    await this.#queue;
  }

  /** Stores an incoming message and answers the operator; asked to send it again when it can't be stored. */
  add(
    operatorId: number,
    settings: OperatorSettings,
    message: ShortMessageFields,
    respond: (status: number) => void,
  ): void {
    this.#acknowledge(() => this.#store(operatorId, settings, message), respond);
  }

  /**
   * Takes a text that was kept as a receipt by its looks only, and matches no segment: shown after 15 minutes, unless
   * its receipt has found one by then. Committed before the operator is answered.
   */
  addDoubtful(
    receipt: Receipt,
    settings: OperatorSettings,
    message: ShortMessageFields,
    respond: (status: number) => void,
  ): void {
    const { mobile, address, text } = this.#read(settings, message);
    const { id: receiptId, operatorId } = receipt;
    const reference = crc32(`${receiptId}\n${text}`) >>> 1;
    const doubtful: DoubtfulText = { operatorId, mobile, address, reference, total: 1, receiptId, text };
    this.#acknowledge(() => holdDoubtful(this.#connection, doubtful, this.#clock.now()), respond);
  }

  #acknowledge(work: () => Promise<void>, respond: (status: number) => void): void {
    this.#inTurn(work).then(
      () => respond(STATUS.ESME_ROK),
      (error: unknown) => {
        this.#log.error({ err: error }, 'an incoming message could not be stored');
        respond(STATUS.ESME_RX_T_APPN);
      },
    );
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  #read(
    settings: OperatorSettings,
    message: ShortMessageFields,
  ): { mobile: string; address: string } & ReturnType<typeof decodeUserData> {
    const mobile = parseAnyMsisdn(message.source.digits) ?? message.source.digits.slice(0, MAX_ADDRESS_CHARACTERS);
    const decoded = decodeUserData({
      dataCoding: message.dataCoding,
      udhi: (message.esmClass & ESM_CLASS_UDHI) !== 0,
      bytes: messageBytes(message),
      defaultAlphabet: settings.defaultAlphabet,
    });
    const address = message.destination.digits.slice(0, MAX_ADDRESS_CHARACTERS);
    return { mobile, address, ...decoded, text: cut(decoded.text) };
  }

  async #store(operatorId: number, settings: OperatorSettings, message: ShortMessageFields): Promise<void> {
    const nowMs = this.#clock.now();
    const { mobile, address, text, concat } = this.#read(settings, message);
    const part = concat ?? sarOf(message);
    if (!part || part.total < 2 || part.sequence < 1 || part.sequence > part.total) {
      await this.#connection.transaction((tx) =>
        this.#arrive(tx, {
          operatorId,
          address,
          mobile,
          text,
          fingerprint: fingerprint({ operatorId, mobile, address, reference: 0 }, text),
          receivedAtMs: nowMs,
        }),
      );
      return;
    }
    const group = { operatorId, mobile, address, reference: part.reference, total: part.total };
    const segment = { ...group, segment: part.sequence, text };
    await this.#connection.transaction(async (tx) => {
      if (!(await this.#makeRoom(tx, segment, nowMs))) return;
      await storeSegment(tx, segment, nowMs);
      await this.#show(tx, group, await joinGroup(tx, group, nowMs));
    });
  }

  /**
   * False for a copy of a segment that is there or was shown just now. What else stands in its place belongs to an
   * earlier message: senders use a reference again before long.
   */
  async #makeRoom(tx: Queryable, segment: ArrivedSegment, nowMs: number): Promise<boolean> {
    const found = await findSegment(tx, segment);
    if (!found) return true;
    const recent = found.joinedAtMs === null || found.joinedAtMs > nowMs - COPY_WITHIN_MS;
    if (found.text === segment.text && recent) return false;
    if (found.joinedAtMs === null) await this.#show(tx, segment, await takeGroup(tx, segment));
    else await forgetGroup(tx, segment);
    return true;
  }

  async #showDue(): Promise<void> {
    const nowMs = this.#clock.now();
    for (const { whole, ...group } of await dueGroups(this.#connection, nowMs - JOIN_WITHIN_MS)) {
      await this.#connection.transaction(async (tx) =>
        group.total === 1
          ? this.#showDoubtful(tx, group)
          : this.#show(tx, group, whole ? await joinGroup(tx, group, nowMs) : await takeGroup(tx, group)),
      );
    }
    await forgetJoined(this.#connection, nowMs - COPY_WITHIN_MS);
  }

  /** A text without a receipt's state was not kept as a receipt. */
  async #showDoubtful(tx: Queryable, group: SegmentGroup): Promise<void> {
    const found = await takeDoubtful(tx, group);
    if (!found) return;
    const { operatorId, mobile } = group;
    const state = stateOfReceipt(parseReceiptText(found.text)?.stat ?? '');
    const receipt = { id: found.receiptId, operatorId, mobile };
    if (state === 'pending' || (await isStillKept(tx, receipt))) await this.#show(tx, group, [found]);
  }

  async #show(
    tx: Queryable,
    group: SegmentGroup,
    segments: readonly { segment: number; text: string; receivedAtMs: number }[],
  ): Promise<void> {
    if (segments.length === 0) return;
    const texts = new Map(segments.map((segment) => [segment.segment, segment.text]));
    let text = '';
    for (let sequence = 1; sequence <= group.total; sequence += 1) text += texts.get(sequence) ?? MISSING;
    await this.#arrive(tx, {
      operatorId: group.operatorId,
      address: group.address,
      mobile: group.mobile,
      text: cut(text),
      fingerprint: fingerprint(group, text),
      receivedAtMs: Math.min(...segments.map((segment) => segment.receivedAtMs)),
    });
  }

  async #arrive(tx: Queryable, arrival: Arrival): Promise<void> {
    const stored = await storeArrival(tx, arrival);
    if (!stored) return;
    if (stored.accountId === null) {
      this.#log.warn({ seq: stored.seq }, 'an incoming message came for an address that no account has');
      return;
    }
    if (stored.incomingUrl === null) return;
    const row = incomingRow({
      seq: stored.seq,
      receivedAtMs: arrival.receivedAtMs,
      mobile: arrival.mobile,
      text: arrival.text,
    });
    const nowMs = this.#clock.now();
    await owePush(tx, { accountId: stored.accountId, url: stored.incomingUrl, payload: asciiJson(row), nowMs });
    this.#onOwed();
  }
}

function sarOf(message: ShortMessageFields): { reference: number; total: number; sequence: number } | undefined {
  const { sarMsgRefNum: reference, sarTotalSegments: total, sarSegmentSeqnum: sequence } = message.tlvs;
  return reference === undefined || total === undefined || sequence === undefined
    ? undefined
    : { reference, total, sequence };
}

function cut(text: string): string {
  return text.length > MAX_TEXT_CHARACTERS ? text.slice(0, MAX_TEXT_CHARACTERS) : text;
}

/** Hashed: an index holds no text of more than 2,704 bytes, and 15 parts of hanzi have more. */
function fingerprint(from: Omit<SegmentGroup, 'total'>, text: string): string {
  return hash(
    'sha256',
    JSON.stringify([from.operatorId, from.mobile, from.address, from.reference, text]),
    'base64url',
  );
}
