/**
 * So many requests a second, no more, over kept-alive connections: what the platform does not answer in time is sent
 * later, never more at once than there are connections, and counted as late.
 */
import { HttpConnection } from './http-connection.ts';
import { Latencies } from './latencies.ts';
import { MsgidSet } from './msgid-set.ts';
import { type Customer, RequestWriter } from './requests.ts';

export interface PacedPlan {
  readonly host: string;
  readonly port: number;
  readonly customers: readonly Customer[];
  readonly perSecond: number;
  readonly connections: number;
}

const TICK_MS = 10;
const ACCEPTED = /^\{"code":"00000".*"msgid":(\d+)\}/;

export class PacedLoad {
  readonly accepted = new MsgidSet();
  readonly latencies = new Latencies();
  readonly #plan: PacedPlan;
  readonly #writer: RequestWriter;
  readonly #customers = new Map<HttpConnection, number>();
  readonly #idle: HttpConnection[] = [];
  readonly #startedMs = performance.now();
  readonly #ticker: NodeJS.Timeout;
  #sent = 0;
  #underWay = 0;
  #others = 0;
  #drained: (() => void) | undefined;

  constructor(plan: PacedPlan) {
    this.#plan = plan;
    this.#writer = new RequestWriter({ kind: 'send', ...plan });
    for (let index = 0; index < plan.connections; index++) {
      const connection: HttpConnection = new HttpConnection({
        host: plan.host,
        port: plan.port,
        onAnswer: (answered, body) => this.#answered(answered, body),
        onEnd: () => this.#ended(connection),
      });
      this.#customers.set(connection, index % plan.customers.length);
      this.#idle.push(connection);
    }
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Answers that were not 00000, and requests whose connection ended. */
  get others(): number {
    return this.#others;
  }

  /** Requests that ought to have been sent by now and were not. */
  get late(): number {
    return Math.max(0, this.#owed() - this.#sent);
  }

  /** Sends nothing more, and resolves when everything sent is answered. */
  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    if (this.#underWay === 0) resolve();
    await promise;
    for (const connection of this.#customers.keys()) connection.close();
  }

  #owed(): number {
    return Math.floor(((performance.now() - this.#startedMs) * this.#plan.perSecond) / 1_000);
  }

  #tick(): void {
    const owed = this.#owed();
    while (this.#sent < owed) {
      // The one idle for longest: none is left alone until the server ends it, under the next request perhaps.
      const connection = this.#idle.shift();
      if (connection === undefined) return;
      this.#sent++;
      this.#underWay++;
      connection.send(this.#writer.next(this.#customers.get(connection) ?? 0));
    }
  }

  #answered(connection: HttpConnection, body: string): void {
    this.latencies.add(performance.now() - connection.sentAtMs);
    const msgid = ACCEPTED.exec(body)?.[1];
    if (msgid === undefined || !this.accepted.add(Number(msgid))) this.#others++;
    this.#idle.push(connection);
    this.#done();
  }

  /** One that nobody needed for a while was let go by the server. */
  #ended(connection: HttpConnection): void {
    const at = this.#idle.indexOf(connection);
    if (at >= 0) {
      this.#idle.splice(at, 1);
      return;
    }
    this.#others++;
    this.#done();
  }

  #done(): void {
    this.#underWay--;
    if (this.#underWay === 0) this.#drained?.();
  }
}
