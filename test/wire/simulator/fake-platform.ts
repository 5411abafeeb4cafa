/**
 * The platform's side of the wire for the simulator's tests: binds, submits, acknowledges what it is sent and keeps it.
 */
import assert from 'node:assert/strict';
import { messageBytes, type MessagePdu, type ShortMessageFields } from '../../../src/smpp/pdu.ts';
import { parseReceiptText, receiptTextOf } from '../../../src/smpp/receipt-text.ts';
import { type BindMode, connectSession, type Session, type SubmitResult } from '../../../src/smpp/session.ts';

export interface Receipt {
  id: string;
  stat: string;
  tlvId: string | undefined;
  state: number | undefined;
  reference: number | undefined;
  source: string;
  destination: string;
  doneDate: string;
}

export interface FakePlatformOptions {
  port: number;
  mode?: BindMode;
  password?: string;
  systemId?: string;
  responseTimeoutMs?: number;
  /** command_status for a deliver_sm; undefined leaves it unanswered. */
  judgeDelivery?: (message: ShortMessageFields) => number | undefined;
}

export class FakePlatform {
  /** Everything in the order it happened: `response ID`, `receipt ID`, `incoming`, `close`. */
  readonly events: string[] = [];
  readonly deliveries: ShortMessageFields[] = [];
  readonly #session: Session;
  #wake: (() => void)[] = [];

  private constructor(session: Session) {
    this.#session = session;
  }

  static async bind(options: FakePlatformOptions): Promise<FakePlatform> {
    const early: MessagePdu[] = [];
    let platform: FakePlatform | undefined;
    const result = await connectSession({
      host: '127.0.0.1',
      port: options.port,
      bind: {
        mode: options.mode ?? 'transceiver',
        systemId: options.systemId ?? 'feige',
        password: options.password ?? 'simulate',
      },
      options: { window: 1_000, responseTimeoutMs: options.responseTimeoutMs ?? 5_000, enquireLinkMs: 60_000 },
      handlers: {
        onDeliver: (pdu, respond) => {
          if (platform === undefined) early.push(pdu);
          else platform.#take(pdu.message);
          const status = options.judgeDelivery === undefined ? 0 : options.judgeDelivery(pdu.message);
          if (status !== undefined) respond(status);
        },
        onClose: () => {
          if (platform !== undefined) platform.#happened('close');
        },
        onFault: (error) => {
          throw error;
        },
      },
    });
    if (result.kind !== 'bound') throw new Error(`bind: ${JSON.stringify(result)}`);
    platform = new FakePlatform(result.session);
    for (const pdu of early) platform.#take(pdu.message);
    return platform;
  }

  submit(message: Partial<ShortMessageFields> & { to: string }): Promise<SubmitResult> {
    return new Promise((resolve) => {
      this.#session.submit(submitSm(message), (result) => {
        if (result.kind === 'response' && result.status === 0) this.#happened(`response ${result.messageId}`);
        resolve(result);
      });
    });
  }

  /** The id of a submit that has to be accepted. */
  async accepted(message: Partial<ShortMessageFields> & { to: string }): Promise<string> {
    const result = await this.submit(message);
    assert.equal(result.kind, 'response');
    assert.ok(result.kind === 'response');
    assert.equal(result.status, 0);
    return result.messageId;
  }

  receipts(): Receipt[] {
    return this.deliveries.filter((message) => message.esmClass === 0x04).map(readReceipt);
  }

  /** Resolves when `condition` holds; it is looked at after every event. The test's own time-out ends a vain wait. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  async receiptsOnceThere(count: number): Promise<Receipt[]> {
    await this.until(() => this.receipts().length >= count);
    return this.receipts();
  }

  close(): Promise<void> {
    return this.#session.close('test is over');
  }

  destroy(): void {
    this.#session.destroy('test cuts');
  }

  #take(message: ShortMessageFields): void {
    // The buffers are views of the received chunk.
    this.deliveries.push({ ...message, shortMessage: Buffer.from(messageBytes(message)) });
    this.#happened(message.esmClass === 0x04 ? `receipt ${readReceipt(message).id}` : 'incoming');
  }

  #happened(event: string): void {
    this.events.push(event);
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
  }
}

export function submitSm(message: Partial<ShortMessageFields> & { to: string }): ShortMessageFields {
  const { to, ...fields } = message;
  return {
    serviceType: '',
    source: { ton: 0, npi: 1, digits: '12345' },
    destination: { ton: 1, npi: 1, digits: to },
    esmClass: 0,
    protocolId: 0,
    priorityFlag: 0,
    scheduleDeliveryTime: '',
    validityPeriod: '',
    registeredDelivery: 1,
    replaceIfPresent: 0,
    dataCoding: 0,
    defaultMessageId: 0,
    shortMessage: Buffer.from('hello'),
    tlvs: {},
    ...fields,
  };
}

/** Segments with a user data header of 8-bit reference. */
export function udhSegments(reference: number, parts: string[]): Partial<ShortMessageFields>[] {
  return parts.map((part, index) => ({
    esmClass: 0x40,
    shortMessage: Buffer.concat([Buffer.from([5, 0, 3, reference, parts.length, index + 1]), Buffer.from(part)]),
  }));
}

function readReceipt(message: ShortMessageFields): Receipt {
  const text = parseReceiptText(receiptTextOf(message));
  return {
    id: text?.id ?? '',
    stat: text?.stat ?? '',
    doneDate: text?.doneDate ?? '',
    tlvId: message.tlvs.receiptedMessageId,
    state: message.tlvs.messageState,
    reference: message.tlvs.userMessageReference,
    source: message.source.digits,
    destination: message.destination.digits,
  };
}
