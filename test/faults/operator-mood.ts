/**
 * An operator at its worst, as a splice in the connections to a good one: it throttles, answers late, sends receipts
 * early, twice or for ids that nobody knows, answers garbage, or ends a connection in the middle of a PDU.
 */
import { FrameReader } from '../../src/smpp/framing.ts';
import { COMMAND, decodePdu, encodePdu, encodeRefusal, HEADER_BYTES, STATUS } from '../../src/smpp/pdu.ts';
import type { Splice, SplicedLine } from './fault-proxy.ts';
import { LineFlights } from './line-flights.ts';
import { SeededRandom } from './random.ts';

/** Sequence numbers of what is put in here; the operator itself never gets so far. */
const FIRST_OWN_SEQUENCE = 0x7000_0000;
const GARBAGE_BYTES = 64;

export class OperatorMood {
  /** Every other submit is refused with ESME_RTHROTTLED and never reaches the operator. */
  throttles = false;
  /** How long responses to submits stay behind; receipts do not wait for them. */
  responseDelayMs = 0;
  receiptsTwice = false;
  receiptsForUnknownIds = false;
  /** How often a mood did something to somebody: one that met nobody was no fault. */
  met = 0;
  /** Segments that went to the operator and whose responses no node can have heard in time. */
  unheard = 0;
  readonly #lines = new Set<MoodyLine>();
  readonly #random: SeededRandom;

  /** @param seed what its garbage is made of */
  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  splice(line: SplicedLine): Splice {
    const moody = new MoodyLine(this, line, () => this.#lines.delete(moody));
    this.#lines.add(moody);
    return moody;
  }

  answerGarbage(): void {
    for (const line of this.#lines) line.answerGarbage(() => this.#random.bytes(GARBAGE_BYTES));
  }

  /** The next PDU of each connection ends in its middle. */
  cutInMidPdu(): void {
    for (const line of this.#lines) line.cutInMidPdu();
  }

  recover(): void {
    this.throttles = false;
    this.responseDelayMs = 0;
    this.receiptsTwice = false;
    this.receiptsForUnknownIds = false;
  }
}

class MoodyLine implements Splice {
  readonly #mood: OperatorMood;
  readonly #line: SplicedLine;
  readonly #onCut: () => void;
  readonly #fromClient = new FrameReader();
  readonly #fromServer = new FrameReader();
  readonly #flights: LineFlights;
  #submits = 0;
  #sequence = FIRST_OWN_SEQUENCE;
  #cutsNext = false;

  constructor(mood: OperatorMood, line: SplicedLine, onCut: () => void) {
    this.#mood = mood;
    this.#line = line;
    this.#onCut = onCut;
    this.#flights = new LineFlights((segments) => {
      mood.unheard += segments;
    });
  }

  ended(): void {
    this.#onCut();
    this.#flights.ended();
  }

  fromClient(bytes: Buffer): void {
    for (const frame of this.#fromClient.feed(bytes).frames) {
      const command = frame.readUInt32BE(4);
      const sequence = frame.readUInt32BE(12);
      if (command === COMMAND.deliver_sm_resp && sequence >= FIRST_OWN_SEQUENCE) continue;
      this.#submits += command === COMMAND.submit_sm ? 1 : 0;
      if (command === COMMAND.submit_sm && this.#mood.throttles && this.#submits % 2 === 0) {
        this.#mood.met += 1;
        this.#line.toClient(encodeRefusal(command, sequence, STATUS.ESME_RTHROTTLED));
        continue;
      }
      if (command === COMMAND.submit_sm) this.#flights.submitted(sequence);
      this.#line.toServer(frame);
    }
  }

  fromServer(bytes: Buffer): void {
    for (const frame of this.#fromServer.feed(bytes).frames) {
      if (this.#cutsNext) {
        this.#endInMidPdu(frame);
        return;
      }
      const command = frame.readUInt32BE(4);
      if (command === COMMAND.submit_sm_resp) this.#respond(frame);
      else this.#line.toClient(frame);
      if (command !== COMMAND.deliver_sm) continue;
      if (this.#mood.receiptsTwice) this.#doubleReceipt(frame);
      if (this.#mood.receiptsForUnknownIds) this.#inventReceipt(frame);
    }
  }

  /** @param draw only for a line that is there: the n-th garbage of a run is the seed's n-th */
  answerGarbage(draw: () => Buffer): void {
    if (!this.#line.isOpen) return;
    this.#mood.met += 1;
    this.#flights.broke();
    this.#line.toClient(draw());
  }

  cutInMidPdu(): void {
    if (!this.#line.isOpen) return;
    this.#mood.met += 1;
    this.#cutsNext = true;
  }

  #endInMidPdu(frame: Buffer): void {
    this.#onCut();
    this.#line.toClient(Buffer.from(frame.subarray(0, HEADER_BYTES + 1)));
    // In a turn of its own, so that the first half arrives before the reset.
    setImmediate(() => this.#line.cut());
  }

  #respond(frame: Buffer): void {
    const { responseDelayMs } = this.#mood;
    if (responseDelayMs === 0) {
      this.#answer(frame);
      return;
    }
    this.#mood.met += 1;
    setTimeout(() => this.#answer(frame), responseDelayMs).unref();
  }

  #answer(frame: Buffer): void {
    this.#flights.answered(frame.readUInt32BE(12));
    this.#line.toClient(frame);
  }

  #doubleReceipt(frame: Buffer): void {
    this.#mood.met += 1;
    this.#line.toClient(withSequence(frame, this.#nextSequence()));
  }

  /** The same receipt under an id that was never given, without the reference that could still find the message. */
  #inventReceipt(frame: Buffer): void {
    const decoded = decodePdu(frame);
    if (!decoded.ok || decoded.pdu.command !== 'deliver_sm') return;
    const { message } = decoded.pdu;
    const unknown = message.shortMessage.toString('latin1').replace(/id:\d{4}/, 'id:9999');
    const { userMessageReference: _, receiptedMessageId, ...tlvs } = message.tlvs;
    const invented = {
      ...message,
      shortMessage: Buffer.from(unknown, 'latin1'),
      tlvs:
        receiptedMessageId === undefined ? tlvs : { ...tlvs, receiptedMessageId: `9999${receiptedMessageId.slice(4)}` },
    };
    this.#mood.met += 1;
    this.#line.toClient(encodePdu({ ...decoded.pdu, sequence: this.#nextSequence(), message: invented }));
  }

  #nextSequence(): number {
    const sequence = this.#sequence;
    this.#sequence = sequence === 0x7fff_ffff ? FIRST_OWN_SEQUENCE : sequence + 1;
    return sequence;
  }
}

function withSequence(frame: Buffer, sequence: number): Buffer {
  const copy = Buffer.from(frame);
  copy.writeUInt32BE(sequence, 12);
  return copy;
}
