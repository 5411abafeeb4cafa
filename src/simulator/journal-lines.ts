/**
 * The journal's records, one tab-separated line each. Reading never throws: a damaged line is no record.
 */
import type { Address } from '../smpp/pdu.ts';
import { MESSAGE_STATE, type Outcome } from './behaviours.ts';
import type { Arrival, HandsetMessage } from './handsets.ts';
import type { OwedDelivery } from './owed-delivery.ts';

export type JournalRecord =
  | { kind: 'owed'; owed: OwedDelivery }
  /** A receipt or an incoming message was acknowledged. */
  | { kind: 'struck'; key: number }
  /** Message ids below this may have been given out. */
  | { kind: 'ids'; below: number }
  /** A segment reached a handset. */
  | { kind: 'arrival'; arrival: Arrival }
  /** A joined message lies on a handset; only in rewritten journals. */
  | { kind: 'message'; number: string; message: HandsetMessage }
  | { kind: 'cleared'; number: string };

export function owedLine(owed: OwedDelivery): string {
  const { content } = owed;
  const head = `${owed.key}\t${owed.dueMs}\t${addressFields(owed.source)}\t${addressFields(owed.destination)}`;
  if (content.kind === 'incoming') {
    return `I\t${head}\t${content.dataCoding}\t${content.esmClass}\t${content.body.toString('hex')}`;
  }
  const form = `${content.copies}\t${content.withTlvs ? 1 : 0}\t${content.reversed ? 1 : 0}`;
  const reference = content.userMessageReference ?? '';
  return `R\t${head}\t${content.messageId}\t${content.outcome}\t${content.submittedMs}\t${content.doneMs}\t${form}\t${reference}`;
}

export function struckLine(key: number): string {
  return `D\t${key}`;
}

export function idsLine(below: number): string {
  return `N\t${below}`;
}

export function arrivalLine(arrival: Arrival): string {
  const { part } = arrival;
  const place = part === undefined ? '\t\t' : `${part.reference}\t${part.total}\t${part.sequence}`;
  return `P\t${arrival.atMs}\t${arrival.number}\t${place}\t${escaped(arrival.from)}\t${JSON.stringify(arrival.text)}`;
}

export function messageLine(number: string, message: HandsetMessage): string {
  return `H\t${message.receivedAtMs}\t${number}\t${message.segments}\t${escaped(message.from)}\t${JSON.stringify(message.text)}`;
}

export function clearedLine(number: string): string {
  return `X\t${number}`;
}

export function parseLine(line: string): JournalRecord | undefined {
  const fields = line.split('\t');
  try {
    switch (fields[0] ?? '') {
      case 'R':
        return fields.length === 17 ? { kind: 'owed', owed: readReceipt(fields) } : undefined;
      case 'I':
        return fields.length === 12 ? { kind: 'owed', owed: readIncoming(fields) } : undefined;
      case 'D':
        return { kind: 'struck', key: integer(fields[1]) };
      case 'N':
        return { kind: 'ids', below: integer(fields[1]) };
      case 'P':
        return fields.length === 8 ? { kind: 'arrival', arrival: readArrival(fields) } : undefined;
      case 'H':
        return fields.length === 6 ? readMessage(fields) : undefined;
      case 'X':
        return { kind: 'cleared', number: text(fields[1]) };
      default:
        return undefined;
    }
  } catch {
    // The readers below throw if a number, JSON text or escape is invalid: the line is damaged.
    return undefined;
  }
}

function readHead(fields: string[]): Omit<OwedDelivery, 'content'> {
  return {
    key: integer(fields[1]),
    dueMs: integer(fields[2]),
    source: readAddressFields(fields, 3),
    destination: readAddressFields(fields, 6),
  };
}

function readReceipt(fields: string[]): OwedDelivery {
  const reference = fields[16] ?? '';
  return {
    ...readHead(fields),
    content: {
      kind: 'receipt',
      messageId: text(fields[9]),
      outcome: readOutcome(fields[10]),
      submittedMs: integer(fields[11]),
      doneMs: integer(fields[12]),
      copies: integer(fields[13]),
      withTlvs: fields[14] === '1',
      reversed: fields[15] === '1',
      userMessageReference: reference === '' ? undefined : integer(reference),
    },
  };
}

function readIncoming(fields: string[]): OwedDelivery {
  return {
    ...readHead(fields),
    content: {
      kind: 'incoming',
      dataCoding: integer(fields[9]),
      esmClass: integer(fields[10]),
      body: Buffer.from(text(fields[11]), 'hex'),
    },
  };
}

function readArrival(fields: string[]): Arrival {
  const arrival = {
    atMs: integer(fields[1]),
    number: text(fields[2]),
    from: decodeURIComponent(fields[6] ?? ''),
    text: readText(fields[7]),
  };
  if (fields[4] === '') return arrival;
  const part = { reference: integer(fields[3]), total: integer(fields[4]), sequence: integer(fields[5]) };
  return { ...arrival, part };
}

function readMessage(fields: string[]): JournalRecord {
  const message = {
    text: readText(fields[5]),
    segments: integer(fields[3]),
    receivedAtMs: integer(fields[1]),
    from: decodeURIComponent(fields[4] ?? ''),
  };
  return { kind: 'message', number: text(fields[2]), message };
}

function addressFields(address: Address): string {
  return `${address.ton}\t${address.npi}\t${escaped(address.digits)}`;
}

function readAddressFields(fields: string[], at: number): Address {
  return { ton: integer(fields[at]), npi: integer(fields[at + 1]), digits: decodeURIComponent(fields[at + 2] ?? '') };
}

/** Addresses come from the wire and may hold anything; nearly all are digits. */
function escaped(value: string): string {
  return /^[0-9A-Za-z]*$/.test(value) ? value : encodeURIComponent(value);
}

function integer(field: string | undefined): number {
  const value = field === undefined || field === '' ? Number.NaN : Number(field);
  if (!Number.isSafeInteger(value)) throw new RangeError('not an integer');
  return value;
}

function text(field: string | undefined): string {
  if (field === undefined) throw new RangeError('field is missing');
  return field;
}

function readText(field: string | undefined): string {
  const value: unknown = JSON.parse(text(field));
  if (typeof value !== 'string') throw new RangeError('not a text');
  return value;
}

function readOutcome(field: string | undefined): Outcome {
  if (field === undefined || !Object.hasOwn(MESSAGE_STATE, field)) throw new RangeError('not an outcome');
  return field as Outcome;
}
