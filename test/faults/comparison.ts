/**
 * What went in against what came out, in the way of Jepsen's total-queue: of every request, what was answered, stored,
 * charged, shown at the handset, reported and called back. Counts what must not be and says of each what it was.
 */
import type { ReceivedCallback } from './customer-process.ts';
import type { HandsetArrival } from './handset-journal.ts';
import type { LoggedRequest } from './request-log.ts';
import type { StoredFacts, StoredMessage } from './stored-facts.ts';

/** A call as the telephone saw it. */
export interface TelephoneCall {
  readonly phone: string;
  readonly startedAtMs: number;
  readonly answeredAtMs: number | undefined;
}

/** What the query endpoint said of a message or call: the state, or undefined when it told none. */
export interface QueryAnswer {
  readonly kind: 'message' | 'call';
  readonly msgid: number;
  readonly state: string | undefined;
}

export interface Evidence {
  readonly requests: readonly LoggedRequest[];
  readonly facts: StoredFacts;
  readonly arrivals: readonly HandsetArrival[];
  readonly callbacks: readonly ReceivedCallback[];
  readonly strangeCallbacks: readonly string[];
  readonly telephoneCalls: readonly TelephoneCall[];
  readonly answers: readonly QueryAnswer[];
}

export interface Comparison {
  readonly accepted: number;
  readonly unanswered: number;
  readonly lost: number;
  readonly deliveredTwice: number;
  readonly unexpected: number;
  readonly chargedTwice: number;
  readonly refundMissing: number;
  readonly withoutFinalState: number;
  readonly callbacksMissing: number;
  readonly balanceDifference: number;
  /** Of the accepted ones, and how many of these talked to somebody. */
  readonly calls: number;
  readonly callsAnswered: number;
  /** Messages that ended as UNKNOWN or ACCEPTD because nobody could know; told to the customer as such. */
  readonly inDoubt: number;
  readonly findings: readonly string[];
}

/** Figures that are faults, whatever happened to the platform. What is delivered twice has a bound of its own. */
export const MUST_BE_ZERO = [
  'lost',
  'unexpected',
  'chargedTwice',
  'refundMissing',
  'withoutFinalState',
  'callbacksMissing',
  'balanceDifference',
] as const satisfies readonly (keyof Comparison)[];

/** Each figure that must be 0 and is not, and what was found; empty when all is well. */
export function offences(comparison: Comparison): string[] {
  const figures = MUST_BE_ZERO.filter((name) => comparison[name] !== 0).map((name) => `${name}: ${comparison[name]}`);
  return [...figures, ...comparison.findings];
}

const MAX_FINDINGS = 40;
const MAX_DIALS = 2;
const UNCERTAIN_ENDS: readonly (string | null)[] = ['UNKNOWN', 'ACCEPTD'];
/** REFUND_UNDELIVERED is on in these runs. */
const REFUNDED_ENDS = [
  'DELETED',
  'UNDELIV',
  'EXPIRED',
  'REJECTD',
  'SYNTAXE',
  'MOBERROR',
  'REJMOBIL',
  'NoAnswer',
  'Busy',
];
/**
 * Given by an operator that refuses a submit; all other ends are a receipt's or the customer's, and certain. Of a message sent
 * once more such a refusal tells nothing of the first submit, which may have been taken.
 */
const REFUSED_ENDS = ['SYNTAXE', 'MOBERROR', 'REJMOBIL'];

type Count = 'lost' | 'unexpected' | 'chargedTwice' | 'refundMissing' | 'withoutFinalState' | 'callbacksMissing';

class Findings {
  readonly texts: string[] = [];
  readonly #counts = new Map<Count, number>();

  add(count: Count, text: string): void {
    this.#counts.set(count, this.of(count) + 1);
    if (this.texts.length < MAX_FINDINGS) this.texts.push(`${count}: ${text}`);
  }

  of(count: Count): number {
    return this.#counts.get(count) ?? 0;
  }
}

export function compare(evidence: Evidence): Comparison {
  const { requests, facts } = evidence;
  const findings = new Findings();
  const stored = Map.groupBy(facts.messages, (one) => keyOf(one));
  const segments = countArrivals(evidence.arrivals);
  for (const request of requests) {
    judgeRequest(request, { stored: stored.get(keyOf(request.planned)) ?? [], segments, findings });
  }
  judgeStrangers(evidence, stored, findings);
  judgeCallbacks(evidence, findings);
  judgeAnswers(evidence, findings);
  judgeTelephones(evidence, stored, findings);
  return {
    accepted: requests.filter((one) => one.outcome?.kind === 'accepted').length,
    unanswered: requests.filter((one) => one.outcome?.kind === 'unanswered').length,
    lost: findings.of('lost'),
    deliveredTwice: [...segments.values()].reduce((sum, times) => sum + times - 1, 0),
    unexpected: findings.of('unexpected'),
    chargedTwice: findings.of('chargedTwice') + facts.chargedTooMuch,
    refundMissing: findings.of('refundMissing'),
    withoutFinalState: findings.of('withoutFinalState'),
    callbacksMissing: findings.of('callbacksMissing'),
    balanceDifference: balanceDifference(facts),
    calls: requests.filter((one) => one.planned.kind === 'call' && one.outcome?.kind === 'accepted').length,
    callsAnswered: facts.messages.filter((one) => one.kind === 'call' && one.state === 'FarEnd').length,
    inDoubt: facts.messages.filter((one) => one.inDoubt && UNCERTAIN_ENDS.includes(one.state)).length,
    findings: [...findings.texts, ...facts.mismatches.map((one) => `ledger: ${JSON.stringify(one)}`)],
  };
}

function keyOf(one: { kind: string; serial: number }): string {
  return `${one.kind} ${one.serial}`;
}

/** How often each segment reached its handset. */
function countArrivals(arrivals: readonly HandsetArrival[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { serial, segment } of arrivals) {
    times.set(`${serial}/${segment}`, (times.get(`${serial}/${segment}`) ?? 0) + 1);
  }
  return times;
}

interface RequestContext {
  readonly stored: readonly StoredMessage[];
  readonly segments: ReadonlyMap<string, number>;
  readonly findings: Findings;
}

function judgeRequest(request: LoggedRequest, context: RequestContext): void {
  const { stored, findings } = context;
  const { planned, outcome } = request;
  const name = keyOf(planned);
  if (outcome === undefined) {
    findings.add('unexpected', `${name} never ended for its client`);
    return;
  }
  if (outcome.kind === 'accepted' && !stored.some((one) => one.msgid === outcome.msgid)) {
    findings.add('lost', `${name} was accepted as ${outcome.msgid} and is not stored`);
  }
  if ((outcome.kind === 'error' || outcome.kind === 'refused') && stored.length > 0) {
    const code = outcome.kind === 'error' ? outcome.code : 'no connection';
    findings.add('unexpected', `${name} was answered ${code} and is stored as ${stored[0]?.msgid}`);
  }
  for (const extra of stored.slice(1)) findings.add('chargedTwice', `${name} is stored again as ${extra.msgid}`);
  for (const one of stored) {
    if (one.state === null) findings.add('withoutFinalState', `${name} (${one.msgid})`);
    else if (planned.kind === 'message') judgeMessage(request, one, context);
    judgePoints(one, priceOf(request), findings);
  }
}

function judgeMessage(request: LoggedRequest, one: StoredMessage, { segments, findings }: RequestContext): void {
  const { planned, deletion } = request;
  if (planned.kind !== 'message') return;
  const name = `${keyOf(planned)} (${one.msgid}, ${one.state})`;
  const arrived = Array.from({ length: planned.segments }, (_, index) =>
    segments.has(`${planned.serial}/${index + 1}`),
  );
  if (one.state === 'DELIVRD' && arrived.includes(false)) {
    findings.add('lost', `${name} is not on the handset: ${arrived.join(', ')}`);
  }
  if (one.state === 'DELETED') {
    if (!planned.deletes || deletion === 'not deleted')
      findings.add('unexpected', `${name} was not asked to be deleted`);
    if (arrived.includes(true)) findings.add('unexpected', `${name} went out`);
    return;
  }
  if (deletion === 'deleted') findings.add('unexpected', `${name} was answered as deleted`);
  const isExcused = one.inDoubt && UNCERTAIN_ENDS.includes(one.state);
  // What arrived has a receipt, which the operator owes until it is acknowledged.
  if (isExcused && !arrived.includes(false))
    findings.add('lost', `${name} is on the handset, its receipt was not heeded`);
  if (one.state !== planned.expected && !isExcused) findings.add('lost', `${name} should be ${planned.expected}`);
}

/** Of a message its segments, of a call what its customer was told; undefined when nobody told it. */
function priceOf({ planned, outcome }: LoggedRequest): number | undefined {
  if (planned.kind === 'message') return planned.segments;
  return outcome?.kind === 'accepted' ? outcome.points : undefined;
}

function judgePoints(one: StoredMessage, price: number | undefined, findings: Findings): void {
  const name = `${keyOf(one)} (${one.msgid}, ${one.state})`;
  if (price !== undefined && one.points !== price)
    findings.add('chargedTwice', `${name} cost ${one.points}, not ${price}`);
  if (one.state === null) return;
  const due = refundDue(one);
  const mayBeTaken = one.inDoubt && REFUSED_ENDS.includes(one.state);
  if (one.refunded < due && !(mayBeTaken && one.refunded === 0)) {
    findings.add('refundMissing', `${name}: ${one.refunded} of ${due}`);
  }
  if (one.refunded > due) findings.add('unexpected', `${name}: ${one.refunded} points came back instead of ${due}`);
}

function refundDue(one: StoredMessage): number {
  if (one.state !== null && REFUNDED_ENDS.includes(one.state)) return one.points;
  if (one.kind === 'message') return 0;
  const cost = Math.ceil((one.seconds ?? 0) / one.unitSeconds) * one.unitPoints;
  return Math.max(0, one.points - cost);
}

/** What is stored or shown though nobody asked for it. */
function judgeStrangers(
  { requests, arrivals }: Evidence,
  stored: ReadonlyMap<string, readonly StoredMessage[]>,
  findings: Findings,
): void {
  const asked = new Set(requests.map((one) => keyOf(one.planned)));
  for (const [key, rows] of stored) {
    if (!asked.has(key)) findings.add('unexpected', `${key} (${rows[0]?.msgid}) was never asked for`);
  }
  for (const serial of new Set(arrivals.map((one) => one.serial))) {
    if (!stored.has(`message ${serial}`))
      findings.add('unexpected', `message ${serial} is on a handset and not stored`);
  }
}

function judgeCallbacks({ facts, callbacks, strangeCallbacks }: Evidence, findings: Findings): void {
  const told = new Set(callbacks.map((one) => `${one.serial} ${one.msgid} ${one.state}`));
  const states = new Map(facts.messages.map((one) => [`${one.serial} ${one.msgid}`, one.state]));
  for (const one of facts.messages) {
    if (one.state === null || told.has(`${one.serial} ${one.msgid} ${one.state}`)) continue;
    findings.add('callbacksMissing', `${keyOf(one)} (${one.msgid}, ${one.state})`);
  }
  for (const one of callbacks) {
    const state = states.get(`${one.serial} ${one.msgid}`);
    // UNKNOWN for want of a receipt may be corrected once, with a callback of its own.
    if (state === one.state || (state !== undefined && one.state === 'UNKNOWN')) continue;
    findings.add('unexpected', `${one.msgid} was called back as ${one.state} and is ${state ?? 'not stored'}`);
  }
  for (const url of strangeCallbacks) findings.add('unexpected', `the customer was asked for ${url}`);
}

function judgeAnswers({ facts, answers }: Evidence, findings: Findings): void {
  const states = new Map(facts.messages.map((one) => [`${one.kind} ${one.msgid}`, one.state]));
  for (const { kind, msgid, state } of answers) {
    if (states.get(`${kind} ${msgid}`) === state) continue;
    findings.add('withoutFinalState', `the query of ${msgid} says ${state}, it is ${states.get(`${kind} ${msgid}`)}`);
  }
}

/** An answered call is never dialled again, another at most once more. */
function judgeTelephones(
  { requests, telephoneCalls }: Evidence,
  stored: ReadonlyMap<string, readonly StoredMessage[]>,
  findings: Findings,
): void {
  const dialled = Map.groupBy(telephoneCalls, (call) => call.phone);
  for (const { planned } of requests) {
    if (planned.kind !== 'call' || !planned.own) continue;
    const [one] = stored.get(keyOf(planned)) ?? [];
    const calls = dialled.get(planned.phone) ?? [];
    const name = `${keyOf(planned)} (${one?.msgid}, ${one?.state})`;
    if (one === undefined && calls.length > 0) findings.add('unexpected', `${name} rang and is not stored`);
    if (calls.length > MAX_DIALS) findings.add('unexpected', `${name} was dialled ${calls.length} times`);
    if (one?.state === 'FarEnd' && !calls.some((call) => call.answeredAtMs !== undefined)) {
      findings.add('lost', `${name}: no telephone answered`);
    }
    const settled = answeredCall(calls, one?.answeredAtMs ?? undefined);
    if (settled !== undefined && calls.some((call) => call.startedAtMs > settled.startedAtMs)) {
      findings.add('unexpected', `${name} was dialled again after it was answered: ${JSON.stringify(calls)}`);
    }
  }
}

/** The one whose answer is the stored one: the nearest, since clocks differ a little. */
function answeredCall(calls: readonly TelephoneCall[], storedAtMs: number | undefined): TelephoneCall | undefined {
  if (storedAtMs === undefined) return undefined;
  const away = ({ answeredAtMs }: TelephoneCall): number =>
    answeredAtMs === undefined ? Number.POSITIVE_INFINITY : Math.abs(answeredAtMs - storedAtMs);
  const [nearest] = calls.toSorted((left, right) => away(left) - away(right));
  return nearest?.answeredAtMs === undefined ? undefined : nearest;
}

function balanceDifference({ messages, balance, toppedUp, charged, givenBack, mismatches }: StoredFacts): number {
  const points = messages.reduce((sum, one) => sum + one.points, 0);
  const refunded = messages.reduce((sum, one) => sum + one.refunded, 0);
  const off = [balance - (toppedUp - points + refunded), charged - points, givenBack - refunded];
  return off.reduce((sum, one) => sum + Math.abs(one), 0) + mismatches.length;
}
