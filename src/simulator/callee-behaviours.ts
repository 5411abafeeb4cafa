/** What a simulated telephone does with a call: the number that was dialled decides, in whatever form it came. */
import { handsetNumber } from './phone-numbers.ts';

export type CalleeBehaviour =
  /** Turned away without ringing. */
  | { kind: 'refuse'; status: number }
  /** Rings, then turns the call away. */
  | { kind: 'decline'; status: number }
  | { kind: 'ring-only' }
  | {
      kind: 'answer';
      /** Whether it sends silence as RTP; without, nothing at all. */
      speaks: boolean;
      /** Undefined listens until the caller hangs up. */
      hangUpAfterMs: number | undefined;
      /** The digit it presses after each message it heard. */
      presses: string | undefined;
    };

const LISTENS = { kind: 'answer', speaks: true, hangUpAfterMs: undefined, presses: undefined } as const;

const TABLE: Record<string, CalleeBehaviour> = {
  '0900000100': LISTENS,
  '0900000101': { kind: 'refuse', status: 486 },
  '0900000102': { kind: 'ring-only' },
  '0900000103': { kind: 'decline', status: 603 },
  '0900000104': { kind: 'refuse', status: 404 },
  '0900000105': { ...LISTENS, hangUpAfterMs: 1_000 },
  '0900000106': { ...LISTENS, speaks: false },
  '0900000107': { kind: 'refuse', status: 503 },
  '0900000108': { ...LISTENS, presses: '1' },
};

const NO_NUMBER: CalleeBehaviour = { kind: 'refuse', status: 404 };

/** @param dialled user part of the Request-URI; `number` is undefined when that is no number */
export function behaviourOf(dialled: string): { number: string | undefined; behaviour: CalleeBehaviour } {
  const number = handsetNumber(dialled);
  if (number === undefined) return { number, behaviour: NO_NUMBER };
  return { number, behaviour: TABLE[number] ?? LISTENS };
}
