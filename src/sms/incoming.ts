/**
 * Incoming messages: joined from their segments, stored for the account that has the address, owed to its URL if it
 * has one, and only then acknowledged to the operator. After 15 minutes a message is shown with what is missing marked.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { asciiJson, incomingRow } from '../domain/answers.ts';
import type { OperatorSettings } from '../domain/operator-settings.ts';
import { parseAnyMsisdn } from '../domain/phone-number.ts';
import { decodeUserData } from '../gsm/user-data.ts';
import { messageBytes, type ShortMessageFields, STATUS } from '../smpp/pdu.ts';
import type { Database, Queryable, StageConnection } from '../store/database.ts';
import {
  type Arrival,
  type ArrivedSegment,
  dueGroups,
  findSegment,
  forgetGroup,
  forgetJoined,
  joinGroup,
  owePush,
  type SegmentGroup,
  storeArrival,
  storeSegment,
  takeGroup,
} from '../store/incoming.ts';

const ESM_CLASS_UDHI = 0x40;
const JOIN_WITHIN_MS = 15 * 60_000;
/** The same segment within this time is a copy of the one that was shown (spec README point 34). */
const COPY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
const MISSING = '[…]';

export class Incoming {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onOwed: () => void;
  readonly #connection: StageConnection;
  readonly #look: Periodic;
  /** Arrivals one after the other: two segments of a message must see each other. */
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
    this.#inTurn(() => this.#store(operatorId, settings, message)).then(
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

  async #store(operatorId: number, settings: OperatorSettings, message: ShortMessageFields): Promise<void> {
    const nowMs = this.#clock.now();
    const mobile = parseAnyMsisdn(message.source.digits) ?? message.source.digits;
    const address = message.destination.digits;
    const { text, concat } = decodeUserData({
      dataCoding: message.dataCoding,
      udhi: (message.esmClass & ESM_CLASS_UDHI) !== 0,
      bytes: messageBytes(message),
      defaultAlphabet: settings.defaultAlphabet,
    });
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
        this.#show(tx, group, whole ? await joinGroup(tx, group, nowMs) : await takeGroup(tx, group)),
      );
    }
    await forgetJoined(this.#connection, nowMs - COPY_WITHIN_MS);
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
      text,
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

function fingerprint(from: Omit<SegmentGroup, 'total'>, text: string): string {
  return JSON.stringify([from.operatorId, from.mobile, from.address, from.reference, text]);
}
