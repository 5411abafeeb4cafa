/**
 * This node's links to one operator, and its part of the operator's throttle. The slots in the database limit the links
 * of all nodes together; a node with more than its fair part drains one link and gives it up to a node with less. The
 * parts of the throttle never add up to more than the whole: a new link waits until every other node has counted it,
 * and a node that can't read the links assumes that every slot is bound.
 */
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import type { MessagePdu } from '../smpp/pdu.ts';
import type { Database } from '../store/database.ts';
import { freeSlot, hasLinkToSpare, markSlot, takeSlot } from '../store/links.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import type { Operator } from '../store/operators.ts';
import type { LateResponses } from './late-response.ts';
import { LINKS_KNOWN_FOR_MS, type OperatorDirectory } from './operator-directory.ts';
import { OperatorLink } from './operator-link.ts';

const ROUND_EVERY_MS = 1_000;
/** While this node has no lease: with a new one nothing goes out before its links are bound again. */
const ROUND_WITHOUT_LEASE_MS = 100;
/**
 * How long after its bind is committed a link waits before it sends beside other nodes: by then all of them count it.
 */
const COUNTED_IN_AFTER_MS = LINKS_KNOWN_FOR_MS + 200;
/**
 * A link is given up once another node has lacked one for this many rounds; a node that starts or stops lacks one
 * briefly.
 */
const ROUNDS_BEFORE_SPARING = 3;
/** For what is in flight on a link that is given up; then it is closed as at a stop. */
const DRAIN_WITHIN_MS = 30_000;

export interface HeldLink {
  readonly slot: number;
  readonly epoch: number;
  readonly link: OperatorLink;
}

interface Held extends HeldLink {
  /** What was last written to the database; undefined when it is not known whether that was committed. */
  told: { readonly bound: boolean; readonly detail: string | undefined } | undefined;
  telling: boolean;
  /** Why it is not bound. */
  detail: string | undefined;
  /** When it may begin to send, on the monotonic clock; never while the database may say that it is not bound. */
  sendsFromMs: number;
  /** Since when it is being given up. */
  sparedSinceMs: number | undefined;
}

export interface OperatorLinksOptions {
  readonly operator: Operator;
  readonly database: Database;
  readonly lease: EpochHolder;
  readonly directory: OperatorDirectory;
  readonly log: Logger;
  readonly onDeliver: (operatorId: number, pdu: MessagePdu, respond: (status: number) => void) => void;
  readonly lateResponses: LateResponses;
  /** Called when more or fewer messages may be sent now. */
  readonly onChange: () => void;
}

export class OperatorLinks {
  readonly #options: OperatorLinksOptions;
  readonly #rounds: Periodic;
  readonly #held: Held[] = [];
  #roundsInNeed = 0;
  #stopped = false;

  constructor(options: OperatorLinksOptions) {
    this.#options = options;
    const { log, operator } = options;
    this.#rounds = new Periodic({
      everyMs: ROUND_EVERY_MS,
      run: () => this.#round(),
      onError: (error) => log.warn({ err: error, operator: operator.name }, 'the links could not be looked after'),
    });
  }

  start(): void {
    this.#rounds.start();
  }

  /** Takes no more links and changes nothing about those held. */
  async stopTaking(): Promise<void> {
    this.#stopped = true;
    await this.#rounds.stop();
  }

  /** Unbinds after what is in flight was answered. */
  async unbind(): Promise<void> {
    await Promise.all(this.#held.map((held) => held.link.stop()));
  }

  async giveBackSlots(): Promise<void> {
    const { database, operator } = this.#options;
    for (const held of this.#held.splice(0)) {
      await freeSlot(database, held.epoch, operator.operatorId, held.slot).catch(() => {});
    }
  }

  async cut(reason: string): Promise<void> {
    await Promise.all(this.#held.splice(0).map((held) => held.link.cut(reason)));
  }

  /** A bound link, for query_sm. */
  any(): OperatorLink | undefined {
    return this.#held.find((held) => held.link.bound)?.link;
  }

  /** Segments that all links together can take now. */
  freeWindow(): number {
    const nowMs = performance.now();
    return this.#held.reduce((sum, held) => sum + (sends(held, nowMs) ? held.link.freeWindow() : 0), 0);
  }

  freest(): HeldLink | undefined {
    const nowMs = performance.now();
    let best: HeldLink | undefined;
    let most = 0;
    for (const held of this.#held) {
      const free = sends(held, nowMs) ? held.link.freeWindow() : 0;
      if (free > most) {
        best = held;
        most = free;
      }
    }
    return best;
  }

  /** Segments a second that this node may send now. */
  rate(): number {
    const { operator, directory } = this.#options;
    const { links: slots, throttle } = operator.settings;
    const nowMs = performance.now();
    const mine = this.#held.filter((held) => held.link.bound && nowMs >= held.sendsFromMs).length;
    if (mine === 0) return 0;
    const seen = directory.linksOf(operator.operatorId);
    const fresh = nowMs - seen.askedAtMs < LINKS_KNOWN_FOR_MS;
    const all = fresh ? Math.max(seen.bound, mine) : Math.max(seen.bound, mine, slots);
    return (throttle * mine) / all;
  }

  async #round(): Promise<boolean> {
    const { database, operator, lease } = this.#options;
    const epoch = lease.epoch();
    if (epoch === undefined) {
      this.#rounds.soon(ROUND_WITHOUT_LEASE_MS);
      return false;
    }
    for (const held of this.#held) this.#mark(held);
    await this.#spare(epoch);
    if (this.#held.length >= operator.settings.links) return false;
    const slot = await takeSlot(database, epoch, operator.operatorId);
    if (slot === undefined || lease.epoch() !== epoch) return false;
    this.#hold(slot, epoch);
    return true;
  }

  /** Gives up at most one link at a time. */
  async #spare(epoch: number): Promise<void> {
    const { database, operator, log } = this.#options;
    const spared = this.#held.find((held) => held.sparedSinceMs !== undefined);
    if (spared) {
      const drained = spared.link.idle || performance.now() - (spared.sparedSinceMs ?? 0) > DRAIN_WITHIN_MS;
      if (drained) await this.#release(spared);
      return;
    }
    const inNeed = this.#held.length > 1 && (await hasLinkToSpare(database, epoch, operator.operatorId));
    this.#roundsInNeed = inNeed ? this.#roundsInNeed + 1 : 0;
    if (this.#roundsInNeed < ROUNDS_BEFORE_SPARING) return;
    this.#roundsInNeed = 0;
    const held = this.#held.find(({ link }) => !link.bound) ?? this.#held.at(-1);
    if (!held) return;
    log.info({ link: held.link.name }, 'a link is given up to a node that has too few');
    held.sparedSinceMs = performance.now();
  }

  async #release(held: Held): Promise<void> {
    await held.link.stop();
    const index = this.#held.indexOf(held);
    // It was cut meanwhile, because the lease was lost: other nodes free what the epoch held.
    if (index === -1) return;
    this.#held.splice(index, 1);
    await freeSlot(this.#options.database, held.epoch, this.#options.operator.operatorId, held.slot);
  }

  #hold(slot: number, epoch: number): void {
    const { operator, log, lease, onDeliver, lateResponses, onChange } = this.#options;
    const { operatorId, name, settings } = operator;
    const link = new OperatorLink({
      name: `${name}/${slot}`,
      settings,
      log,
      // Bytes handed over in this turn of the event loop are written in the next; the process may be stopped in
      // between.
      mayWrite: () => lease.epoch() === epoch,
      onDeliver: (pdu, respond) => onDeliver(operatorId, pdu, respond),
      onLateResponse: (...late) => lateResponses.answered(...late),
      onChange: (bound, detail) => {
        if (!bound) lateResponses.forget(link.name);
        held.detail = detail;
        this.#mark(held);
        onChange();
      },
    });
    const held: Held = {
      slot,
      epoch,
      link,
      told: { bound: false, detail: undefined },
      telling: false,
      detail: undefined,
      sendsFromMs: Number.POSITIVE_INFINITY,
      sparedSinceMs: undefined,
    };
    this.#held.push(held);
    link.start();
  }

  /** Writes the link's state to the database; if that fails, the next round writes it again. */
  #mark(held: Held): void {
    if (held.telling || isKnown(held)) return;
    held.telling = true;
    this.#tell(held)
      .catch((error: unknown) => {
        held.told = undefined;
        this.#options.log.warn({ err: error, link: held.link.name }, 'a link state was not stored');
      })
      .finally(() => {
        held.telling = false;
      });
  }

  async #tell(held: Held): Promise<void> {
    const { database, directory, operator, onChange } = this.#options;
    const { epoch, slot, link } = held;
    while (!isKnown(held)) {
      const { bound } = link;
      const { detail } = held;
      if (!bound) held.sendsFromMs = Number.POSITIVE_INFINITY;
      await markSlot(database, { epoch, operatorId: operator.operatorId, slot, bound, detail });
      const markedAtMs = performance.now();
      held.told = { bound, detail };
      if (bound) held.sendsFromMs = markedAtMs + COUNTED_IN_AFTER_MS;
      if (this.#stopped) continue;
      await directory.refresh();
      const seen = directory.linksOf(operator.operatorId);
      // Of two nodes that bind at once the later one sees the other.
      const alone = seen.askedAtMs >= markedAtMs && seen.bound === seen.mine;
      if (alone && bound) held.sendsFromMs = Math.min(held.sendsFromMs, markedAtMs);
      onChange();
    }
  }
}

function isKnown({ told, link, detail }: Held): boolean {
  return told?.bound === link.bound && told.detail === detail;
}

function sends(held: Held, nowMs: number): boolean {
  return held.sparedSinceMs === undefined && nowMs >= held.sendsFromMs;
}
