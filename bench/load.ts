/**
 * Keeps a number of connections busy: each sends its next request when the last one is answered, unless more messages
 * than agreed are between their request and their callback.
 */
import { HttpConnection } from './http-connection.ts';
import { Latencies } from './latencies.ts';
import { MsgidSet } from './msgid-set.ts';
import { type Customer, type RequestKind, RequestWriter } from './requests.ts';

export interface LoadPlan {
  readonly kind: RequestKind;
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Connections belong to them in turn. */
  readonly customers: readonly Customer[];
  /** Messages or calls sent and not yet called back; absent: no limit. */
  readonly maxOutstanding: number | undefined;
  /** Requests in all; absent: until it is stopped. */
  readonly maxRequests?: number;
  /** Number of the first recipient; 0 unless given. */
  readonly firstRecipient?: number;
  /** The one number that gets all; absent: each request has its own. */
  readonly recipient?: string;
}

export interface LoadResult {
  /** Good answers: 00000, `resp=` with a msgid, or the constant. */
  readonly good: number;
  /** Any other answer or end of a connection, and how often. */
  readonly others: Readonly<Record<string, number>>;
  /** What `counts` of Latencies gives, of the good answers. */
  readonly latencies: Uint32Array;
  /** From the first request to the last answer. */
  readonly durationMs: number;
  /** What `bits` of MsgidSet gives. */
  readonly msgids: Uint8Array;
}

const ACCEPTED = /^(?:\{"code":"00000".*"msgid":|resp=)(\d+)/;
const CODE = /"code":"(\d+)"|^resp=(-\d+)/;
const CONSTANT = 'ok\n';
/** Codes and reasons are few; more of them is a mistake. */
const MAX_KINDS_OF_OTHERS = 50;

export class Load {
  readonly #plan: LoadPlan;
  readonly #writer: RequestWriter;
  readonly #connections: HttpConnection[] = [];
  readonly #customers = new Map<HttpConnection, number>();
  readonly #latencies = new Latencies();
  readonly #msgids = new MsgidSet();
  readonly #others: Record<string, number> = {};
  readonly #startedMs = performance.now();
  /** Connections that wait for callbacks. */
  #held: HttpConnection[] = [];
  #outstanding = 0;
  #underWay = 0;
  #requests = 0;
  #good = 0;
  #calledBack = 0;
  #stopping: (() => void) | undefined;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#writer = new RequestWriter(plan);
    for (let index = 0; index < plan.connections; index++) this.#open(index % plan.customers.length);
  }

  get good(): number {
    return this.#good;
  }

  /** How many callbacks have come in all. */
  noteCalledBack(total: number): void {
    this.#outstanding -= total - this.#calledBack;
    this.#calledBack = total;
    while (this.#held.length > 0 && this.#mayAdd()) {
      const connection = this.#held.pop();
      if (connection) this.#send(connection);
    }
  }

  /** Sends nothing more, and resolves when everything sent is answered. */
  async stop(): Promise<LoadResult> {
    const answered = new Promise<void>((resolve) => {
      this.#stopping = resolve;
    });
    if (this.#underWay > 0) await answered;
    const durationMs = performance.now() - this.#startedMs;
    for (const connection of this.#connections) connection.close();
    const { counts } = this.#latencies;
    return { good: this.#good, others: this.#others, latencies: counts, durationMs, msgids: this.#msgids.bits };
  }

  #open(customer: number): void {
    const connection = new HttpConnection({
      host: this.#plan.host,
      port: this.#plan.port,
      onAnswer: (answered, body) => this.#answered(answered, body),
      onEnd: (reason) => this.#ended(reason),
    });
    this.#connections.push(connection);
    this.#customers.set(connection, customer);
    this.#next(connection);
  }

  #next(connection: HttpConnection): void {
    if (this.#stopping) return;
    if (this.#mayAdd()) this.#send(connection);
    else this.#held.push(connection);
  }

  #mayAdd(): boolean {
    return this.#plan.maxOutstanding === undefined || this.#outstanding < this.#plan.maxOutstanding;
  }

  #send(connection: HttpConnection): void {
    if (this.#stopping || this.#requests >= (this.#plan.maxRequests ?? Infinity)) return;
    this.#requests++;
    this.#outstanding++;
    this.#underWay++;
    connection.send(this.#writer.next(this.#customers.get(connection) ?? 0));
  }

  #answered(connection: HttpConnection, body: string): void {
    const durationMs = performance.now() - connection.sentAtMs;
    this.#underWay--;
    if (this.#isGood(body)) {
      this.#good++;
      this.#latencies.add(durationMs);
    } else this.#other(codeOf(body));
    if (this.#stopping && this.#underWay === 0) this.#stopping();
    this.#next(connection);
  }

  #isGood(body: string): boolean {
    if (this.#plan.kind === 'constant') return body === CONSTANT;
    const msgid = ACCEPTED.exec(body)?.[1];
    return msgid !== undefined && this.#msgids.add(Number(msgid));
  }

  #ended(reason: string): void {
    this.#underWay--;
    this.#other(reason);
    if (this.#stopping && this.#underWay === 0) this.#stopping();
  }

  #other(kind: string): void {
    this.#outstanding--;
    const known = this.#others[kind];
    if (known === undefined && Object.keys(this.#others).length >= MAX_KINDS_OF_OTHERS) return;
    this.#others[kind] = (known ?? 0) + 1;
  }
}

function codeOf(body: string): string {
  const [, code, voiceCode] = CODE.exec(body) ?? [];
  return code ?? voiceCode ?? 'no code';
}
