/**
 * Decides which callback is sent next: a short lane in memory for each host, served in turn, so that no host waits for
 * another. A host is proven while it answers quickly; all other hosts together share half of the places. A lane refuses
 * callbacks that its host can't take soon.
 */
export interface Lanable {
  readonly host: string;
}

export interface HostLanesOptions {
  /** Attempts under way in all. */
  readonly concurrency: number;
  readonly concurrencyPerHost: number;
}

/** An attempt under way. */
export interface Attempt<Row> {
  readonly row: Row;
  /** On the monotonic clock. */
  readonly startedMs: number;
}

interface Lane<Row> {
  readonly host: string;
  /** Waiting rows that came from the open lane of the database, and from the parked one; served in alternation. */
  readonly open: Row[];
  readonly parked: Row[];
  turn: 'open' | 'parked';
  /** In the order they started. */
  readonly running: Set<Attempt<Row>>;
  /** Attempts it may have under way: grows with every answer, halves with every failure to answer. */
  limit: number;
  /** Moving average; undefined until the first answer. */
  latencyMs: number | undefined;
  /** Attempts without an answer since the last answer. */
  failures: number;
  proven: boolean;
  /** More of it is parked in the database. */
  hasParked: boolean;
}

const FIRST_LIMIT = 4;
/** A host whose answers take longer is not proven. */
const SLOW_MS = 500;
const LATENCY_WEIGHT = 0.2;
/** A lane holds no more than its host takes in this time; the lane of a proven host also takes a burst. */
const LANE_AHEAD_MS = 250;
const PROVEN_AHEAD_MS = 1_000;
const MAX_LANE = 500;
/** Rows waiting for all hosts that have not proven themselves. */
const MAX_UNPROVEN_WAITING = 500;
/** The part of what is free there that one host may take. */
const UNPROVEN_SHARE = 0.25;
/** Fewer waiting rows of proven hosts than this: time to claim more. */
const LOW_WATER = 250;
const MAX_KNOWN_HOSTS = 2_000;
/** So many attempts without an answer in a row: the host is down. */
const DOWN_AFTER_FAILURES = 3;

function waitingOf<Row>(lane: Lane<Row>): number {
  return lane.open.length + lane.parked.length;
}

function takeTurn<Row>(lane: Lane<Row>): Row | undefined {
  const [first, second] = lane.turn === 'open' ? [lane.open, lane.parked] : [lane.parked, lane.open];
  lane.turn = lane.turn === 'open' ? 'parked' : 'open';
  return first.shift() ?? second.shift();
}

export class HostLanes<Row extends Lanable> {
  readonly #options: HostLanesOptions;
  readonly #unprovenPlaces: number;
  readonly #lanes = new Map<string, Lane<Row>>();
  /** Lanes with something waiting that may have a place, in turn. */
  readonly #ready = new Set<Lane<Row>>();
  /** Lanes that wait for a place of the unproven. */
  readonly #held = new Set<Lane<Row>>();
  #running = 0;
  #unprovenRunning = 0;
  #waiting = 0;
  #unprovenWaiting = 0;

  constructor(options: HostLanesOptions) {
    this.#options = options;
    this.#unprovenPlaces = Math.max(1, Math.floor(options.concurrency / 2));
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Whether the lanes of those who answer quickly run low. */
  wantsMore(): boolean {
    return this.#waiting - this.#unprovenWaiting < LOW_WATER;
  }

  /** Takes a row of the open lane; false when its host has enough and the row has to be parked. */
  offer(row: Row): boolean {
    const lane = this.#lane(row.host);
    if (lane.open.length >= this.#openShare(lane)) {
      lane.hasParked = true;
      return false;
    }
    this.#push(lane, lane.open, row);
    return true;
  }

  /** Takes a row of the parked lane, for which `parkedRoom` found room. */
  takeParked(row: Row): void {
    const lane = this.#lane(row.host);
    this.#push(lane, lane.parked, row);
  }

  /** Hosts that have enough of the open lane at this moment. */
  fullHosts(): string[] {
    const full: string[] = [];
    for (const lane of this.#lanes.values()) {
      if (lane.open.length > 0 && lane.open.length >= this.#openShare(lane)) full.push(lane.host);
    }
    return full;
  }

  /** Tells that rows of this host are parked, or that none that is due is left there. */
  noteParked(host: string, hasParked: boolean): void {
    if (hasParked) this.#lane(host).hasParked = true;
    else {
      const lane = this.#lanes.get(host);
      if (lane) lane.hasParked = false;
    }
  }

  /** Hosts with parked rows that run low, and how many each can take; `maxRows` in all. */
  parkedRoom(maxRows: number): { host: string; rows: number }[] {
    const wanted: { host: string; rows: number }[] = [];
    let left = maxRows;
    for (const lane of this.#lanes.values()) {
      if (left <= 0) break;
      if (!lane.hasParked) continue;
      const share = this.#half(lane);
      if (lane.parked.length > share / 2) continue;
      const rows = Math.min(left, share - lane.parked.length);
      if (rows <= 0) continue;
      wanted.push({ host: lane.host, rows });
      left -= rows;
    }
    // To the end of the line, so that with many such hosts each has its turn.
    for (const { host } of wanted) {
      const lane = this.#lane(host);
      this.#lanes.delete(host);
      this.#lanes.set(host, lane);
    }
    return wanted;
  }

  /** The next attempt to make, which counts as under way from now on; undefined when none may start. */
  next(): Attempt<Row> | undefined {
    if (this.#running >= this.#options.concurrency) return undefined;
    for (const lane of this.#ready) {
      this.#ready.delete(lane);
      if (lane.running.size >= lane.limit) continue;
      if (!lane.proven && this.#unprovenRunning >= this.#unprovenPlaces) {
        this.#held.add(lane);
        continue;
      }
      const row = takeTurn(lane);
      if (row === undefined) continue;
      if (waitingOf(lane) > 0) this.#ready.add(lane);
      this.#waiting -= 1;
      this.#running += 1;
      if (!lane.proven) {
        this.#unprovenWaiting -= 1;
        this.#unprovenRunning += 1;
      }
      const attempt = { row, startedMs: performance.now() };
      lane.running.add(attempt);
      return attempt;
    }
    return undefined;
  }

  /** The attempt is over; `answered` when the host gave any HTTP answer. */
  finished(attempt: Attempt<Row>, answered: boolean): void {
    const lane = this.#lane(attempt.row.host);
    if (answered) {
      const tookMs = performance.now() - attempt.startedMs;
      const averageMs = lane.latencyMs ?? tookMs;
      lane.latencyMs = averageMs + LATENCY_WEIGHT * (tookMs - averageMs);
      lane.failures = 0;
      lane.limit = Math.min(this.#options.concurrencyPerHost, lane.limit + 1);
    } else {
      lane.failures += 1;
      lane.limit = Math.max(1, Math.floor(lane.limit / 2));
    }
    this.abandon(attempt);
  }

  /** The attempt was not made after all; frees its place. */
  abandon(attempt: Attempt<Row>): void {
    const lane = this.#lane(attempt.row.host);
    if (!lane.running.delete(attempt)) return;
    this.#running -= 1;
    if (!lane.proven) this.#unprovenRunning -= 1;
    this.#judge(lane);
    if (waitingOf(lane) > 0) this.#ready.add(lane);
    const [held] = this.#held;
    if (held && this.#unprovenRunning < this.#unprovenPlaces) {
      this.#held.delete(held);
      this.#ready.add(held);
    }
  }

  /** Whether the host has stopped answering. */
  isDown(host: string): boolean {
    return (this.#lanes.get(host)?.failures ?? 0) >= DOWN_AFTER_FAILURES;
  }

  /** Reviews every host (call it a few times a second); gives the rows that lanes can no longer hold. */
  review(): Row[] {
    const excess: Row[] = [];
    for (const lane of this.#lanes.values()) {
      this.#judge(lane);
      const keep = Math.max(lane.limit, this.#ahead(lane));
      const rows = [...lane.open.splice(keep), ...lane.parked.splice(keep)];
      if (rows.length > 0) {
        this.#waiting -= rows.length;
        if (!lane.proven) this.#unprovenWaiting -= rows.length;
        lane.hasParked = true;
        excess.push(...rows);
      }
    }
    this.#forgetIdle();
    return excess;
  }

  /** Empties all lanes and gives what waited in them; attempts under way go on. */
  clear(): Row[] {
    const rows: Row[] = [];
    for (const lane of this.#lanes.values()) rows.push(...lane.open.splice(0), ...lane.parked.splice(0));
    this.#ready.clear();
    this.#held.clear();
    this.#waiting = 0;
    this.#unprovenWaiting = 0;
    return rows;
  }

  #push(lane: Lane<Row>, queue: Row[], row: Row): void {
    queue.push(row);
    this.#waiting += 1;
    if (!lane.proven) this.#unprovenWaiting += 1;
    if (!this.#held.has(lane)) this.#ready.add(lane);
  }

  #lane(host: string): Lane<Row> {
    const known = this.#lanes.get(host);
    if (known) return known;
    const lane: Lane<Row> = {
      host,
      open: [],
      parked: [],
      turn: 'open',
      running: new Set(),
      limit: Math.min(FIRST_LIMIT, this.#options.concurrencyPerHost),
      latencyMs: undefined,
      failures: 0,
      proven: false,
      hasParked: false,
    };
    this.#lanes.set(host, lane);
    return lane;
  }

  /** The average, or how long the oldest attempt has been without an answer if that is longer. */
  #latencyMs(lane: Lane<Row>): number | undefined {
    const [oldest] = lane.running;
    const silentMs = oldest ? performance.now() - oldest.startedMs : 0;
    if (silentMs >= SLOW_MS) return Math.max(silentMs, lane.latencyMs ?? 0);
    return lane.latencyMs;
  }

  #judge(lane: Lane<Row>): void {
    const latencyMs = this.#latencyMs(lane);
    const proven = latencyMs !== undefined && latencyMs < SLOW_MS && lane.failures === 0;
    if (proven === lane.proven) return;
    lane.proven = proven;
    const sign = proven ? -1 : 1;
    this.#unprovenRunning += sign * lane.running.size;
    this.#unprovenWaiting += sign * waitingOf(lane);
    if (this.#held.delete(lane)) this.#ready.add(lane);
  }

  /** Rows that the host will take within the time a lane may look ahead. */
  #ahead(lane: Lane<Row>): number {
    const latencyMs = this.#latencyMs(lane);
    if (latencyMs === undefined) return lane.failures > 0 ? lane.limit : MAX_LANE;
    const aheadMs = lane.proven ? PROVEN_AHEAD_MS : LANE_AHEAD_MS;
    return Math.min(MAX_LANE, Math.ceil((lane.limit * aheadMs) / Math.max(1, latencyMs)));
  }

  /** How many rows may wait for this host. Each unproven one leaves the most of what is free to the others. */
  #capacity(lane: Lane<Row>): number {
    const rows = Math.max(lane.limit, this.#ahead(lane));
    if (lane.proven) return rows;
    return Math.min(rows, Math.floor((MAX_UNPROVEN_WAITING - this.#unprovenWaiting) * UNPROVEN_SHARE));
  }

  #half(lane: Lane<Row>): number {
    return Math.ceil(this.#capacity(lane) / 2);
  }

  /** With rows parked, new ones get half: neither starves the other. */
  #openShare(lane: Lane<Row>): number {
    return lane.hasParked || lane.parked.length > 0 ? this.#half(lane) : this.#capacity(lane);
  }

  #forgetIdle(): void {
    if (this.#lanes.size <= MAX_KNOWN_HOSTS) return;
    for (const lane of this.#lanes.values()) {
      if (this.#lanes.size <= MAX_KNOWN_HOSTS) return;
      if (waitingOf(lane) === 0 && lane.running.size === 0) this.#lanes.delete(lane.host);
    }
  }
}
