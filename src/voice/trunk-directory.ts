/**
 * What this node knows about the trunks: their settings, read every second, and whether they answer OPTIONS (RFC 3261
 * §11). A trunk that did not answer is tried last until it does.
 */
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { mayCall } from '../domain/voice-phone.ts';
import type { SipUserAgent, TrunkTarget } from '../sip/user-agent.ts';
import { countLiveNodes } from '../store/call-queue.ts';
import type { Database } from '../store/database.ts';
import { listTrunks, type Trunk } from '../store/trunks.ts';

const REFRESH_EVERY_MS = 1_000;
/** How often a trunk that is down gets an OPTIONS. */
const DOWN_HEARTBEAT_MS = 5_000;
/** How long a trunk that gets no OPTIONS is tried last after it gave no answer. */
const DOWN_WITHOUT_HEARTBEAT_MS = 10_000;

interface Health {
  down: boolean;
  nextBeatMs: number;
  beating: boolean;
}

export class TrunkDirectory {
  readonly #database: Database;
  readonly #agent: Pick<SipUserAgent, 'options'>;
  readonly #log: Logger;
  readonly #refresh: Periodic;
  readonly #health = new Map<number, Health>();
  #trunks: readonly Trunk[] = [];
  #unreadable: ReadonlyMap<number, string> = new Map();
  #liveNodes = 1;

  constructor(options: { database: Database; agent: Pick<SipUserAgent, 'options'>; log: Logger }) {
    this.#database = options.database;
    this.#agent = options.agent;
    this.#log = options.log;
    this.#refresh = new Periodic({
      everyMs: REFRESH_EVERY_MS,
      run: async () => {
        await this.refresh();
        return false;
      },
      onError: (error) => options.log.warn({ err: error }, 'the trunks could not be read'),
    });
  }

  async start(): Promise<void> {
    await this.refresh();
    this.#refresh.start();
  }

  stop(): Promise<void> {
    return this.#refresh.stop();
  }

  enabled(): readonly Trunk[] {
    return this.#trunks;
  }

  /** This node's part of what a trunk allows to all nodes together. */
  shareOf(allowed: number): number {
    return allowed / this.#liveNodes;
  }

  /** The trunks for a number (E.164 digits) in the order in which they are tried. */
  candidates(e164: string): Trunk[] {
    return this.#trunks
      .filter((trunk) => mayCall(trunk.settings.prefixes, e164))
      .sort(
        (a, b) =>
          Number(this.#isDown(a)) - Number(this.#isDown(b)) ||
          a.settings.priority - b.settings.priority ||
          a.trunkId - b.trunkId,
      );
  }

  /** Call it when the trunk gave no answer. */
  markDown(trunk: Trunk, reason: string): void {
    const health = this.#healthOf(trunk);
    if (!health.down) this.#log.warn({ trunk: trunk.name, reason }, 'a trunk does not answer');
    health.down = true;
    const waitMs = trunk.settings.heartbeatSeconds === 0 ? DOWN_WITHOUT_HEARTBEAT_MS : DOWN_HEARTBEAT_MS;
    health.nextBeatMs = performance.now() + waitMs;
  }

  async refresh(): Promise<void> {
    this.#trunks = this.#usable(await listTrunks(this.#database));
    this.#liveNodes = Math.max(1, await countLiveNodes(this.#database));
    const known = new Set(this.#trunks.map((trunk) => trunk.trunkId));
    for (const trunkId of this.#health.keys()) if (!known.has(trunkId)) this.#health.delete(trunkId);
    for (const trunk of this.#trunks) this.#beat(trunk);
  }

  /**
   * A trunk whose password can't be read is logged once and left out, unless it was in use before with that password.
   */
  #usable(trunks: readonly Trunk[]): Trunk[] {
    const usable: Trunk[] = [];
    const unreadable = new Map<number, string>();
    for (const trunk of trunks) {
      const { trunkId, name, version, passwordProblem } = trunk;
      const known = passwordProblem && this.#trunks.find((one) => one.trunkId === trunkId && one.version === version);
      if (trunk.enabled && (passwordProblem === undefined || known)) usable.push(known || trunk);
      if (passwordProblem === undefined) continue;
      unreadable.set(trunkId, passwordProblem);
      if (this.#unreadable.get(trunkId) === passwordProblem) continue;
      this.#log.error({ trunk: name, reason: passwordProblem }, 'a trunk has a password that cannot be read');
    }
    this.#unreadable = unreadable;
    return usable;
  }

  #isDown(trunk: Trunk): boolean {
    return this.#healthOf(trunk).down;
  }

  #healthOf({ trunkId }: Trunk): Health {
    const known = this.#health.get(trunkId);
    if (known !== undefined) return known;
    const health = { down: false, nextBeatMs: 0, beating: false };
    this.#health.set(trunkId, health);
    return health;
  }

  #beat(trunk: Trunk): void {
    const health = this.#healthOf(trunk);
    const { heartbeatSeconds } = trunk.settings;
    if (health.beating || performance.now() < health.nextBeatMs) return;
    if (heartbeatSeconds === 0) {
      health.down = false;
      return;
    }
    health.beating = true;
    // Never rejects.
    void this.#agent.options(targetOf(trunk)).then((result) => {
      health.beating = false;
      if (result.kind === 'dead') {
        this.markDown(trunk, result.reason);
        return;
      }
      if (health.down) this.#log.info({ trunk: trunk.name }, 'a trunk answers again');
      health.down = false;
      health.nextBeatMs = performance.now() + heartbeatSeconds * 1000;
    });
  }
}

/** A trunk as the user agent wants it. */
export function targetOf({ settings }: Pick<Trunk, 'settings'>): TrunkTarget {
  const { host, port, transport, username, password, fromUser, tlsCa, tlsServername } = settings;
  return {
    host,
    port,
    transport,
    fromUser,
    domain: settings.domain === '' ? host : settings.domain,
    timerBMs: settings.answerTimeoutMs,
    ...(username !== undefined && password !== undefined && { username, password }),
    ...(transport === 'tls' && {
      tls: {
        ...(tlsCa !== undefined && { ca: tlsCa }),
        ...(tlsServername !== undefined && { servername: tlsServername }),
      },
    }),
  };
}
