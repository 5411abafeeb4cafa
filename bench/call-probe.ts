/**
 * Calls beside the load, one after the other, each asked about as soon as its BYE was seen at the telephone, until the
 * query tells how it ended: how long a customer who asks has to wait.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { CallSite } from './call-run.ts';
import { Latencies } from './latencies.ts';
import { machineNowMs } from './instants.ts';

const EVERY_MS = 100;
const ASK_EVERY_MS = 5;
const GIVE_UP_MS = 30_000;
/** Numbers that the load does not call. */
const FIRST_NUMBER = 995_000_000;
const PENDING = 'resp=-5';

export class CallProbe {
  readonly latencies = new Latencies();
  /** Calls that were not accepted, or had no end in time. */
  failed = 0;
  answered = 0;
  readonly #site: CallSite;
  readonly #underWay = new Set<Promise<void>>();
  #next = FIRST_NUMBER;
  #stopping = false;

  constructor(site: CallSite) {
    this.#site = site;
  }

  /** Calls until `stop`; resolves when the last one is over. */
  async run(): Promise<void> {
    while (!this.#stopping) {
      const probe = this.#probe(`0${this.#next++}`)
        .catch(() => {
          this.failed += 1;
        })
        .finally(() => this.#underWay.delete(probe));
      this.#underWay.add(probe);
      await pause(EVERY_MS, undefined, { signal: this.#site.signal });
    }
    await Promise.all(this.#underWay);
  }

  stop(): void {
    this.#stopping = true;
  }

  async #probe(number: string): Promise<void> {
    const { telephone } = this.#site;
    const ended = telephone.nextEnd(number);
    const sent = await this.#ask('send_voice.php', `type=1&message=Hello&phone=${number}`);
    const msgid = /^resp=(\d+),/.exec(sent)?.[1];
    if (msgid === undefined) throw new Error(sent);
    const { atMs } = await Promise.race([ended, pause(GIVE_UP_MS, undefined, { ref: false })]).then((call) => {
      if (call === undefined) throw new Error('no end');
      return call;
    });
    const deadlineMs = machineNowMs() + GIVE_UP_MS;
    while (machineNowMs() < deadlineMs) {
      const answer = await this.#ask('query_voice.php', `msgid=${msgid}`);
      if (answer !== PENDING) {
        if (!answer.endsWith(',FarEnd')) throw new Error(answer);
        this.latencies.add(machineNowMs() - atMs);
        this.answered += 1;
        return;
      }
      await pause(ASK_EVERY_MS);
    }
    throw new Error('no final state');
  }

  async #ask(path: string, query: string): Promise<string> {
    const { host, port, accounts } = this.#site.platform;
    const { username = '', password = '' } = accounts[0] ?? {};
    const url = `http://${host}:${port}/${path}?username=${username}&password=${password}&${query}`;
    return (await fetch(url)).text();
  }
}
