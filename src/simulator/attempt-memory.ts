/**
 * Remembers which submits were tried before, for the behaviours that treat a repeated one differently. Bounded by
 * number and age; what is forgotten counts as new.
 */
import type { ShortMessageFields } from '../smpp/pdu.ts';
import { messageBytes } from '../smpp/pdu.ts';
import type { ConcatenationInfo } from '../gsm/user-data.ts';
import type { EarlierAttempts } from './behaviours.ts';

const MAX_REMEMBERED = 50_000;
/** How many are forgotten together; removed one at a time, a Map walks over every entry removed before. */
const FORGET_AT_ONCE = 5_000;
const MAX_AGE_MS = 3_600_000;

export class AttemptMemory {
  readonly #attempts = new Map<string, EarlierAttempts>();

  earlier(key: string, nowMs: number): EarlierAttempts | undefined {
    const found = this.#attempts.get(key);
    return found !== undefined && nowMs - found.firstAtMs <= MAX_AGE_MS ? found : undefined;
  }

  remember(key: string, nowMs: number): void {
    const earlier = this.earlier(key, nowMs);
    this.#attempts.delete(key);
    this.#attempts.set(key, { count: (earlier?.count ?? 0) + 1, firstAtMs: earlier?.firstAtMs ?? nowMs });
    if (this.#attempts.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#attempts.keys()) {
      if (this.#attempts.size <= MAX_REMEMBERED - FORGET_AT_ONCE) return;
      this.#attempts.delete(oldest);
    }
  }

  forget(key: string): void {
    this.#attempts.delete(key);
  }
}

/** Equal for a repeated submit of the same segment: addresses, reference of the sender, place, content. */
export function segmentKey(message: ShortMessageFields, concat: ConcatenationInfo | undefined): string {
  const place = concat === undefined ? '' : `${concat.reference}/${concat.total}/${concat.sequence}`;
  const reference = message.tlvs.userMessageReference ?? '';
  return `${message.destination.digits}|${message.source.digits}|${reference}|${place}|${contentOf(message)}`;
}

/** Equal for all segments of one message, and for their repetitions. */
export function messageKey(message: ShortMessageFields, concat: ConcatenationInfo | undefined): string {
  const envelope = `${message.destination.digits}|${message.source.digits}`;
  if (concat !== undefined) return `${envelope}|${concat.reference}/${concat.total}`;
  return `${envelope}|${message.tlvs.userMessageReference ?? ''}|${contentOf(message)}`;
}

function contentOf(message: ShortMessageFields): string {
  return messageBytes(message).toString('latin1');
}
