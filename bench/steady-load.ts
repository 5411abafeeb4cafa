/**
 * Requests at a rate that does not follow what the platform carries: their gaps are drawn as those of independent
 * customers are, and one that finds every connection busy counts from when it was due. Notes when each recipient's message was asked for and accepted; of some, asks the query endpoint from
 * the moment their receipt was sent until it tells the final state.
 */
import { HttpConnection } from './http-connection.ts';
import { Instants, machineNowMs, mobileDigits } from './instants.ts';
import { type Customer, RequestWriter } from './requests.ts';

export interface SteadyPlan {
  readonly host: string;
  readonly port: number;
  readonly perSecond: number;
  readonly connections: number;
  readonly customers: readonly Customer[];
  /** Of so many recipients one may be watched; absent: none. */
  readonly watchEvery?: number;
}

export interface SteadyResult {
  /** What `values` of Instants gives: request written, accepted, final state shown by the query endpoint. */
  readonly requested: Float64Array;
  readonly accepted: Float64Array;
  readonly shown: Float64Array;
  /** Recipients are numbered from 0 to this. */
  readonly requests: number;
  /** Any other answer or end of a connection, and how often. */
  readonly others: Readonly<Record<string, number>>;
}

interface Line {
  readonly connection: HttpConnection;
  readonly customer: number;
  /** The recipient of the request under way. */
  number: number;
}

const ACCEPTED = /^\{"code":"00000".*"msgid":(\d+)\}/;
const CODE = /"code":"(\d+)"/;
const FINAL = '"statustext":"DELIVRD"';
const PENDING = '"code":"00001"';
/** Between the answer «not yet» and the next question. */
const ASK_AGAIN_AFTER_MS = 5;
const TICK_MS = 1;

export class SteadyLoad {
  readonly #plan: SteadyPlan;
  readonly #writer: RequestWriter;
  readonly #requested = new Instants();
  readonly #accepted = new Instants();
  readonly #shown = new Instants();
  readonly #others: Record<string, number> = {};
  readonly #lines = new Map<HttpConnection, Line>();
  /** The one that was answered first serves first. */
  readonly #idle: Line[] = [];
  readonly #msgids = new Map<number, { msgid: string; customer: number }>();
  readonly #asking = new Set<HttpConnection>();
  readonly #timer: NodeJS.Timeout;
  #nextAtMs = machineNowMs();
  #number = 0;
  #underWay = 0;
  /** A request is due and every connection is busy: from then on it counts. */
  #starved = false;
  #stopping: (() => void) | undefined;

  constructor(plan: SteadyPlan) {
    this.#plan = plan;
    this.#writer = new RequestWriter({ ...plan, kind: 'send' });
    for (let index = 0; index < plan.connections; index++) this.#open(index % plan.customers.length);
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  /** How many requests were sent so far. */
  get requests(): number {
    return this.#number;
  }

  /** Asks what became of this recipient's message until it is final. */
  watch(number: number): void {
    const accepted = this.#msgids.get(number);
    if (accepted === undefined) return;
    const { host, port, customers } = this.#plan;
    const customer = customers[accepted.customer];
    const query = `username=${customer?.username}&password=${customer?.password}&mobile=09${mobileDigits(number)}&msgid=${accepted.msgid}`;
    const request = `GET /json/sms_query.php?${query} HTTP/1.1\r\nHost: ${host}:${port}\r\nAccept: */*\r\n\r\n`;
    const connection = new HttpConnection({
      host,
      port,
      onAnswer: (asked, body) => {
        if (body.includes(PENDING)) {
          setTimeout(() => (this.#asking.has(asked) ? asked.send(request) : undefined), ASK_AGAIN_AFTER_MS);
          return;
        }
        if (body.includes(FINAL)) this.#shown.note(number, machineNowMs());
        else this.#other(`query: ${CODE.exec(body)?.[1] ?? 'no code'}`);
        this.#asking.delete(asked);
        asked.close();
      },
      onEnd: (reason) => {
        this.#asking.delete(connection);
        this.#other(`query: ${reason}`);
      },
    });
    this.#asking.add(connection);
    connection.send(request);
  }

  /** Sends nothing more; resolves when everything sent is answered. `watch` goes on. */
  async pause(): Promise<void> {
    clearInterval(this.#timer);
    const answered = new Promise<void>((resolve) => {
      this.#stopping = resolve;
    });
    if (this.#underWay > 0) await answered;
  }

  end(): SteadyResult {
    for (const connection of this.#asking) connection.close();
    this.#asking.clear();
    for (const connection of this.#lines.keys()) connection.close();
    return {
      requested: this.#requested.values,
      accepted: this.#accepted.values,
      shown: this.#shown.values,
      requests: this.#number,
      others: this.#others,
    };
  }

  #open(customer: number): void {
    const connection = new HttpConnection({
      host: this.#plan.host,
      port: this.#plan.port,
      onAnswer: (answered, body) => this.#answered(answered, body),
      onEnd: (reason) => this.#ended(connection, reason),
    });
    const line = { connection, customer, number: -1 };
    this.#lines.set(connection, line);
    this.#idle.push(line);
  }

  #sendDue(): void {
    const nowMs = machineNowMs();
    while (this.#nextAtMs <= nowMs) {
      const line = this.#idle.shift();
      if (line === undefined) {
        this.#starved = true;
        return;
      }
      const dueMs = this.#nextAtMs;
      this.#nextAtMs += (-Math.log(1 - Math.random()) * 1_000) / this.#plan.perSecond;
      line.number = this.#number++;
      this.#underWay++;
      this.#requested.note(line.number, this.#starved ? dueMs : machineNowMs());
      line.connection.send(this.#writer.next(line.customer));
    }
    this.#starved = false;
  }

  #answered(connection: HttpConnection, body: string): void {
    const line = this.#lines.get(connection);
    if (line === undefined) return;
    const msgid = ACCEPTED.exec(body)?.[1];
    if (msgid === undefined) this.#other(CODE.exec(body)?.[1] ?? 'no code');
    else {
      this.#accepted.note(line.number, machineNowMs());
      const { watchEvery = Infinity } = this.#plan;
      if (line.number % watchEvery === 0) this.#msgids.set(line.number, { msgid, customer: line.customer });
    }
    line.number = -1;
    this.#underWay--;
    this.#idle.push(line);
    if (this.#stopping && this.#underWay === 0) this.#stopping();
    else if (!this.#stopping) this.#sendDue();
  }

  #ended(connection: HttpConnection, reason: string): void {
    const line = this.#lines.get(connection);
    this.#lines.delete(connection);
    if (line !== undefined && line.number >= 0) this.#underWay--;
    this.#other(reason);
    if (this.#stopping && this.#underWay === 0) this.#stopping();
  }

  #other(kind: string): void {
    this.#others[kind] = (this.#others[kind] ?? 0) + 1;
  }
}
