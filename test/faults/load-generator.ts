/**
 * The customers: requests at a steady rate to the nodes in turn, whatever becomes of the earlier ones, and a note of how
 * each ended. A request is sent once; nothing here repeats one.
 */
import { Agent, get } from 'node:http';
import { formatTaipei } from '../../src/domain/taipei-time.ts';
import { planCall, planMessage, type PlannedRequest } from './request-plan.ts';
import type { LoggedRequest, RequestOutcome } from './request-log.ts';

const TICK_MS = 20;
/** Requests without an answer, beyond which none is added. */
const MAX_UNDER_WAY = 8_000;
/** A node closes what it cannot resolve within 50 s. */
const CLIENT_PATIENCE_MS = 75_000;
const DELETE_AFTER_MS = 1_500;
const MESSAGE_ACCEPTED = /^\{"code":"00000".*"msgid":(\d+)\}/;
const CODE = /"code":"(\d+)"/;
const CALL_ACCEPTED = /^resp=(\d+),(\d+)$/;

/** A node as its customers know it. */
export interface Target {
  readonly node: number;
  readonly url: string;
}

export interface LoadOptions {
  readonly messagesPerSecond: number;
  readonly callsPerSecond: number;
  readonly username: string;
  readonly password: string;
  /** Until `ask` names others. */
  readonly targets: readonly Target[];
  readonly callbackUrl: string;
}

export class LoadGenerator {
  readonly requests: LoggedRequest[] = [];
  readonly #options: LoadOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_UNDER_WAY, maxFreeSockets: 256 });
  #targets: readonly Target[];
  #timer: NodeJS.Timeout | undefined;
  #startedMs = 0;
  #messages = 0;
  #calls = 0;
  #underWay = 0;
  #held = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#targets = options.targets;
  }

  /** Requests that were due and not sent, since too many waited or there was nobody to ask. */
  get held(): number {
    return this.#held;
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** These and no others, from now on. */
  ask(targets: readonly Target[]): void {
    this.#targets = targets;
  }

  /** Sends nothing more; resolves when every request has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#agent.destroy();
  }

  #tick(): void {
    const elapsedS = (performance.now() - this.#startedMs) / 1_000;
    for (; this.#messages < elapsedS * this.#options.messagesPerSecond; this.#messages += 1) {
      this.#sendTo(this.#messages, planMessage);
    }
    for (; this.#calls < elapsedS * this.#options.callsPerSecond; this.#calls += 1) {
      this.#sendTo(this.#calls, planCall);
    }
  }

  #sendTo(serial: number, plan: (serial: number) => PlannedRequest): void {
    const target = this.#targets[serial % this.#targets.length];
    if (target !== undefined && this.#underWay < MAX_UNDER_WAY) this.#send(plan(serial), target);
    else this.#held += 1;
  }

  #send(planned: PlannedRequest, { node, url }: Target): void {
    const request: LoggedRequest = {
      planned,
      node,
      sentAtMs: Date.now(),
      endedAtMs: 0,
      outcome: undefined,
      deletion: undefined,
    };
    this.requests.push(request);
    this.#get(`${url}${this.#pathOf(planned)}`, (reply) => {
      request.endedAtMs = Date.now();
      request.outcome = typeof reply === 'string' ? outcomeOf(planned, reply) : reply;
      if (planned.kind !== 'message' || !planned.deletes || request.outcome.kind !== 'accepted') return;
      const { msgid } = request.outcome;
      // Counted as under way from now on, so that the end of the load waits for it.
      this.#underWay += 1;
      setTimeout(() => {
        this.#delete(request, planned.mobile, msgid);
        this.#end();
      }, DELETE_AFTER_MS);
    });
  }

  /** At another node than the one that took it, where there is one. */
  #delete(request: LoggedRequest, mobile: string, msgid: number): void {
    const target = this.#targets.find(({ node }) => node !== request.node) ?? this.#targets[0];
    if (target === undefined) {
      request.deletion = 'unanswered';
      return;
    }
    const query = new URLSearchParams({ ...this.#credentials(), mobile, msgid: String(msgid), delttime: 'Y' });
    this.#get(`${target.url}/json/sms_query.php?${query.toString()}`, (reply) => {
      const code = typeof reply === 'string' ? CODE.exec(reply)?.[1] : undefined;
      request.deletion = code === '00000' ? 'deleted' : code === '00300' ? 'not deleted' : 'unanswered';
    });
  }

  #get(url: string, done: (reply: string | RequestOutcome) => void): void {
    this.#underWay += 1;
    let ended = false;
    const end = (reply: string | RequestOutcome): void => {
      if (ended) return;
      ended = true;
      done(reply);
      this.#end();
    };
    const request = get(url, { agent: this.#agent, timeout: CLIENT_PATIENCE_MS }, (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () =>
        end(response.statusCode === 200 ? body : { kind: 'error', code: `HTTP ${response.statusCode}` }),
      );
      response.on('error', () => end({ kind: 'unanswered' }));
      response.on('close', () => end({ kind: 'unanswered' }));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', (error) => {
      // Only where nobody listens it is sure that nothing was read; a line that is reset may have carried all of it.
      const isRefused = 'code' in error && error.code === 'ECONNREFUSED';
      end({ kind: isRefused ? 'refused' : 'unanswered' });
    });
  }

  #end(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#onIdle?.();
  }

  #credentials(): { username: string; password: string } {
    const { username, password } = this.#options;
    return { username, password };
  }

  #pathOf(planned: PlannedRequest): string {
    const callback = `${this.#options.callbackUrl}?serial=${planned.serial}`;
    if (planned.kind === 'call') {
      const call = { type: '1', phone: planned.phone, message: '測試', response: callback };
      return `/send_voice.php?${new URLSearchParams({ ...this.#credentials(), ...call }).toString()}`;
    }
    const message = {
      mobile: planned.mobile,
      message: planned.text,
      drurl: callback,
      drurl_check: 'N',
      ...(planned.dueInS === undefined ? {} : { sendtime: formatTaipei(Date.now() + planned.dueInS * 1_000) }),
    };
    return `/json/sms_send.php?${new URLSearchParams({ ...this.#credentials(), ...message }).toString()}`;
  }
}

function outcomeOf(planned: PlannedRequest, body: string): RequestOutcome {
  if (planned.kind === 'call') {
    const [, msgid, points] = CALL_ACCEPTED.exec(body) ?? [];
    if (msgid !== undefined) return { kind: 'accepted', msgid: Number(msgid), points: Number(points) };
    return { kind: 'error', code: body.slice(0, 20) };
  }
  const msgid = MESSAGE_ACCEPTED.exec(body)?.[1];
  if (msgid !== undefined) return { kind: 'accepted', msgid: Number(msgid), points: undefined };
  return { kind: 'error', code: CODE.exec(body)?.[1] ?? body.slice(0, 20) };
}
