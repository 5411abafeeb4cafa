/**
 * Requests at an even pace, each with a recipient and a text of its own, and afterwards the comparison of what was
 * answered with what was stored, charged, sent and called back (as Jepsen's total-queue does it). A client of several
 * nodes: one that refuses the connection is left out, and nothing is ever sent twice.
 */
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { checkLedger } from '../../src/store/ledger.ts';
import type { Database } from '../../src/store/database.ts';

const REQUEST_TIMEOUT_MS = 70_000;
const TICK_MS = 10;
const DRAIN_LOOK_MS = 250;
const FIRST_MOBILE = 10_000_000;

interface Sent {
  readonly n: number;
  /** The contract's code, or why there was none. */
  outcome: string;
  msgid: number | undefined;
}

export interface Comparison {
  readonly requests: number;
  readonly accepted: number;
  /** The connection was closed without an answer: nobody knows. */
  readonly unanswered: number;
  readonly refused: number;
  readonly lost: number;
  readonly unexpected: number;
  readonly chargedTwice: number;
  readonly deliveredTwice: number;
  readonly neverDelivered: number;
  readonly withoutFinalState: number;
  readonly callbacksMissing: number;
  readonly ledgerMismatches: number;
}

const MUST_BE_NONE = [
  'lost',
  'unexpected',
  'chargedTwice',
  'neverDelivered',
  'withoutFinalState',
  'callbacksMissing',
  'ledgerMismatches',
] as const satisfies readonly (keyof Comparison)[];

/** What happened that must never happen, and how often; empty when all is well. Doubles have a bound of their own. */
export function faultsOf(comparison: Comparison): Partial<Comparison> {
  return Object.fromEntries(MUST_BE_NONE.map((what) => [what, comparison[what]]).filter(([, times]) => times !== 0));
}

export interface CampaignOptions {
  /** The nodes' addresses as they are now. */
  readonly nodes: () => readonly string[];
  readonly perSecond: number;
  readonly username: string;
  readonly password: string;
  readonly drurl: string;
}

export class Campaign {
  readonly #sent: Sent[] = [];
  readonly #options: CampaignOptions;
  readonly #underWay = new Set<Promise<void>>();
  #running = true;
  #loop: Promise<void>;

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  /** No new requests; resolves when each has its answer, or none. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
    await Promise.all(this.#underWay);
  }

  async #run(): Promise<void> {
    const startedMs = performance.now();
    while (this.#running) {
      const due = Math.floor(((performance.now() - startedMs) / 1_000) * this.#options.perSecond);
      while (this.#sent.length < due) {
        const asked = this.#ask().finally(() => this.#underWay.delete(asked));
        this.#underWay.add(asked);
      }
      await pause(TICK_MS);
    }
  }

  async #ask(): Promise<void> {
    const { nodes, username, password, drurl } = this.#options;
    const n = this.#sent.length;
    const one: Sent = { n, outcome: 'no node', msgid: undefined };
    this.#sent.push(one);
    const mobile = mobileOf(n);
    const query = new URLSearchParams({ username, password, mobile, message: textOf(n), drurl, drurl_check: 'N' });
    const bases = nodes();
    for (let tries = 0; tries < bases.length; tries += 1) {
      const base = bases[(n + tries) % bases.length] ?? '';
      const { outcome, msgid } = await get(`${base}/json/sms_send.php?${query.toString()}`);
      one.outcome = outcome;
      one.msgid = msgid;
      if (outcome !== 'ECONNREFUSED') return;
    }
  }

  /** Waits until everything that was accepted has a final state and its callback, or nothing moves any more. */
  async drain(database: Database, calledBack: () => number, patienceMs: number): Promise<void> {
    let last = '';
    let movedMs = performance.now();
    while (performance.now() - movedMs < patienceMs) {
      const { stored, final } = await progress(database);
      if (stored === final && calledBack() >= stored) return;
      const now = `${stored} ${final} ${calledBack()}`;
      if (now !== last) movedMs = performance.now();
      last = now;
      await pause(DRAIN_LOOK_MS);
    }
  }

  /**
   * @param delivered how often each text was shown at a handset
   * @param calledBack msgids that were called back
   */
  async compare(
    database: Database,
    delivered: ReadonlyMap<string, number>,
    calledBack: ReadonlySet<number>,
  ): Promise<Comparison> {
    const rows = await database.query<{ msgid: number; body: string; state: string | null }>(
      { name: 'campaign-messages', text: 'SELECT msgid, body, state FROM messages' },
      [],
    );
    const stored = new Map(rows.map((row) => [row.msgid, row]));
    const accepted = this.#sent.filter(({ outcome }) => outcome === '00000');
    const said = new Map(this.#sent.map((one) => [textOf(one.n), one]));
    const bodies = new Set(rows.map(({ body }) => body));
    const known = (one: Sent): boolean => /^\d{5}$/.test(one.outcome) || one.outcome === 'ECONNREFUSED';
    const turnedDown = this.#sent.filter((one) => known(one) && one.outcome !== '00000');
    const { mismatches } = await checkLedger(database);
    return {
      requests: this.#sent.length,
      accepted: accepted.length,
      unanswered: this.#sent.filter((one) => !known(one)).length,
      refused: turnedDown.length,
      lost: accepted.filter(({ msgid, n }) => stored.get(msgid ?? 0)?.body !== textOf(n)).length,
      unexpected:
        turnedDown.filter(({ n }) => bodies.has(textOf(n)) || delivered.has(textOf(n))).length +
        [...delivered.keys()].filter((text) => !said.has(text)).length,
      chargedTwice: rows.length - bodies.size,
      deliveredTwice: [...delivered.values()].reduce((sum, times) => sum + times - 1, 0),
      neverDelivered: rows.filter(({ body }) => !delivered.has(body)).length,
      withoutFinalState: rows.filter(({ state }) => state === null).length,
      callbacksMissing: rows.filter(({ msgid }) => !calledBack.has(msgid)).length,
      ledgerMismatches: mismatches.length,
    };
  }
}

function mobileOf(n: number): string {
  return `09${FIRST_MOBILE + n}`;
}

function textOf(n: number): string {
  return `message ${n}`;
}

async function progress(database: Database): Promise<{ stored: number; final: number }> {
  const [row] = await database.query<{ stored: number; final: number }>(
    { name: 'campaign-progress', text: 'SELECT count(*)::int AS stored, count(state)::int AS final FROM messages' },
    [],
  );
  return row ?? { stored: 0, final: 0 };
}

/** One request on a connection of its own, so that what became of it is certain: refused, answered, or cut. */
function get(url: string): Promise<{ outcome: string; msgid: number | undefined }> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      resolve({ outcome: error.code ?? error.message, msgid: undefined });
    const asked = request(url, { agent: false, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', failed);
      response.on('end', () => {
        try {
          const answer = JSON.parse(text) as { code?: string; msgid?: number | string };
          resolve({ outcome: answer.code ?? `HTTP ${response.statusCode}`, msgid: Number(answer.msgid) });
        } catch {
          resolve({ outcome: `HTTP ${response.statusCode}`, msgid: undefined });
        }
      });
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.on('error', failed);
    asked.end();
  });
}
