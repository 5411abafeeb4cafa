/**
 * Everything a run is made of, as real processes: two nodes of the platform on a database that the run brings, a simulated
 * operator, simulated telephones, a customer's web server, and a proxy before the operator, the customer's server and each
 * node's HTTP port. Nothing of it is left behind.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createLogger } from '../../src/base/log.ts';
import { hashPassword } from '../../src/base/password.ts';
import { parseOperatorSettings } from '../../src/domain/operator-settings.ts';
import { parseTrunkSettings } from '../../src/domain/trunk-settings.ts';
import { createAccount } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { addOperator, listLinkSlots } from '../../src/store/operators.ts';
import { addTrunk } from '../../src/store/trunks.ts';
import { FaultProxy } from './fault-proxy.ts';
import { HandsetJournal } from './handset-journal.ts';
import { ManagedProcess } from './managed-process.ts';
import { OperatorMood } from './operator-mood.ts';
import type { UnknownPolicy } from './schedule.ts';
import type { WorldDatabase } from './world-database.ts';

const HOST = '127.0.0.1';
const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const POINTS = 1_000_000_000;
const BOUND_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;
/** Nodes look for operators and trunks once a second. */
const FOUND_BY_ALL_MS = 2_500;
const RESTART_PAUSE_MS = 500;
const RESTART_ATTEMPTS = 60;
const JOURNAL_POLL_MS = 100;

export const ACCOUNT = { username: 'customer', password: 'faults-1234' } as const;
/** Few enough that what a cut can leave in doubt is a small part of a second's messages. */
export const OPERATOR = {
  systemId: 'faults',
  password: 'faults',
  links: 4,
  window: 40,
  throttle: 5_000,
  responseTimeoutMs: 2_000,
  enquireLinkMs: 2_000,
} as const;
/** Added to a message's validity before a missing receipt is given up. */
export const RECEIPT_GRACE_S = 60;

export interface World<Servers extends WorldDatabase = WorldDatabase> {
  readonly servers: Servers;
  /** Straight to the server that takes writes, through no proxy. */
  readonly database: Database;
  readonly nodes: readonly [PlatformNode, PlatformNode];
  readonly simulator: ManagedProcess;
  readonly startSimulator: () => Promise<void>;
  readonly customer: ManagedProcess;
  readonly telephoneUrl: string;
  readonly callbackUrl: string;
  readonly lines: {
    readonly operator: FaultProxy;
    /** From the nodes to the customer's server. */
    readonly callbacks: FaultProxy;
    /** From the customer's clients to each node. */
    readonly requests: readonly FaultProxy[];
  };
  readonly mood: OperatorMood;
  readonly journal: HandsetJournal;
  /** Processes that ended although nobody ended them. */
  readonly unexpectedEnds: readonly string[];
  readonly noteUnexpectedEnd: (what: string) => void;
  readonly directory: string;
  /** @param keeps the logs, for whoever wants to know what happened */
  stop(keeps: boolean): Promise<void>;
}

/** A node that can be killed, and comes up again as a supervisor would bring it up. */
export class PlatformNode {
  readonly process: ManagedProcess;
  /** Where its customers ask, in all of its lives. */
  readonly requestUrl: string;
  readonly #line: FaultProxy;
  #baseUrl = '';

  /** @param line before its HTTP port; it listens already */
  constructor(process: ManagedProcess, line: FaultProxy) {
    this.process = process;
    this.#line = line;
    this.requestUrl = `http://${HOST}:${line.port}`;
  }

  /** Of its latest life, past the line. */
  get baseUrl(): string {
    return this.#baseUrl;
  }

  /** Again and again until it is up: without its database it gives up by itself. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#baseUrl = (await this.process.start())[1] ?? '';
        this.#line.aimAt({ host: HOST, port: Number(new URL(this.#baseUrl).port) });
        await this.#line.listen();
        return;
      } catch (error) {
        if (attempt === RESTART_ATTEMPTS || this.process.isStopped) throw error;
        await this.process.kill();
        await pause(RESTART_PAUSE_MS);
      }
    }
  }

  /** Its clients are refused from then on, as by a port that nobody listens on. */
  async kill(): Promise<void> {
    await this.process.kill();
    this.#line.refuse();
  }
}

export interface WorldOptions<Servers extends WorldDatabase> {
  /** What an operator's garbage is made of. */
  readonly seed: number;
  readonly unknownPolicy: UnknownPolicy;
  /** An empty one; the world stops it. */
  readonly makeDatabase: (directory: string) => Promise<Servers>;
}

/** Resolves when both nodes answer and every link is bound. Nothing is left behind when it rejects. */
export async function startWorld<Servers extends WorldDatabase>(
  options: WorldOptions<Servers>,
): Promise<World<Servers>> {
  const directory = await mkdtemp(join(tmpdir(), 'feige-faults-'));
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (keeps: boolean): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step();
    if (!keeps) await rm(directory, { recursive: true, force: true });
  };
  try {
    return { ...(await start({ ...options, directory, stops })), directory, stop };
  } catch (error) {
    await stop(false);
    throw error;
  }
}

interface Making<Servers extends WorldDatabase> extends WorldOptions<Servers> {
  readonly directory: string;
  readonly stops: (() => Promise<unknown>)[];
}

async function start<Servers extends WorldDatabase>(
  making: Making<Servers>,
): Promise<Omit<World<Servers>, 'directory' | 'stop'>> {
  const { directory, stops } = making;
  const unexpectedEnds: string[] = [];
  const onUnexpectedEnd = (what: string): void => void unexpectedEnds.push(what);
  const servers = await making.makeDatabase(directory);
  stops.push(() => servers.stop());
  await migrate(servers.url);
  const database = new Database(servers.url);
  stops.push(() => database.stop());
  database.followPrimary(createLogger({ level: 'silent' }));

  const program = (name: string, args: readonly string[], up: RegExp, environment: Record<string, string>) => {
    const logFile = join(directory, `${name}.log`);
    const channel = name === 'customer';
    const made = new ManagedProcess({ name, arguments: args, environment, logFile, up, channel, onUnexpectedEnd });
    stops.push(() => made.stop());
    return made;
  };
  const line = async (proxy: FaultProxy): Promise<FaultProxy> => {
    await proxy.listen();
    stops.push(() => proxy.stop());
    return proxy;
  };

  const customer = program('customer', [fileOf('./customer-process.ts')], /listens on (\d+)/, {});
  const callbackLine = await line(new FaultProxy({ host: HOST, port: Number((await customer.start())[1]) }));
  const telephone = program('telephone', [fileOf('./telephone-process.ts')], /listens on (\d+) and (\d+)/, {});
  const [, sipPort, telephonePort] = await telephone.start();

  const operatorDirectory = join(directory, 'operator');
  await mkdir(operatorDirectory);
  const simulator = program('operator', simulateArguments(operatorDirectory), /"smppPort":\s*(\d+)/, {
    LOG_LEVEL: 'warn',
  });
  const mood = new OperatorMood(making.seed);
  const operatorLine = await line(new FaultProxy({ host: HOST, port: 1 }, (spliced) => mood.splice(spliced)));
  const journal = new HandsetJournal(operatorDirectory);
  const reading = setInterval(() => journal.poll(), JOURNAL_POLL_MS);
  stops.push(async () => {
    clearInterval(reading);
    journal.close();
  });
  const startSimulator = async (): Promise<void> => {
    journal.poll();
    operatorLine.aimAt({ host: HOST, port: Number((await simulator.start())[1]) });
    journal.poll();
  };
  await startSimulator();

  const nodes: PlatformNode[] = [];
  const requests: FaultProxy[] = [];
  for (const name of ['node-1', 'node-2']) {
    const environment = nodeEnvironment(await servers.urlForNode(), join(directory, name));
    const requestLine = await line(new FaultProxy({ host: HOST, port: 1 }));
    const node = new PlatformNode(
      program(name, [fileOf('../../src/main.ts')], /API +(http:\S+)[\s\S]*Database/, environment),
      requestLine,
    );
    await node.start();
    nodes.push(node);
    requests.push(requestLine);
  }
  // After the nodes, so that each takes its part of the links.
  const { unknownPolicy } = making;
  await addCustomers(database, { operatorPort: operatorLine.port, sipPort: Number(sipPort), unknownPolicy });
  await untilBound(database);
  return {
    servers,
    database,
    nodes: nodes as unknown as readonly [PlatformNode, PlatformNode],
    simulator,
    startSimulator,
    customer,
    telephoneUrl: `http://${HOST}:${telephonePort}`,
    callbackUrl: `http://${HOST}:${callbackLine.port}/result`,
    lines: { operator: operatorLine, callbacks: callbackLine, requests },
    mood,
    journal,
    unexpectedEnds,
    noteUnexpectedEnd: onUnexpectedEnd,
  };
}

function simulateArguments(directory: string): string[] {
  const credentials = ['--system-id', OPERATOR.systemId, '--password', OPERATOR.password];
  const pace = ['--latency-ms', '5', '--receipt-delay-ms', '200'];
  return [
    fileOf('../../src/cli/feige.ts'),
    'simulate',
    '--json',
    '--smsc-port',
    '0',
    '--data-dir',
    directory,
    ...credentials,
    ...pace,
  ];
}

function nodeEnvironment(databaseUrl: string, dataDir: string): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    DATA_DIR: dataDir,
    HTTP_PORT: '0',
    HTTPS_PORT: 'off',
    METRICS_PORT: 'off',
    SIMULATOR: 'off',
    CALLBACK_ALLOW: '127.0.0.0/8',
    LOG_LEVEL: 'info',
    RECEIPT_GRACE_S: String(RECEIPT_GRACE_S),
    REFUND_UNDELIVERED: 'yes',
    RING_TIMEOUT_S: '4',
    VOICE_PRICES: '*=2/5',
  };
}

async function addCustomers(
  database: Database,
  { operatorPort, sipPort, unknownPolicy }: { operatorPort: number; sipPort: number; unknownPolicy: UnknownPolicy },
): Promise<void> {
  const passwordHash = await hashPassword(ACCOUNT.password);
  await createAccount(database, { username: ACCOUNT.username, passwordHash, points: POINTS });
  const operator = parseOperatorSettings({ ...OPERATOR, host: HOST, port: operatorPort, unknownPolicy });
  const trunk = parseTrunkSettings({ host: HOST, port: sipPort, maxCalls: 100, callsPerSecond: 50 });
  if (!operator.ok || !trunk.ok) throw new Error('the settings of the run are wrong');
  await addOperator(database, { name: 'operator', enabled: true, settings: operator.settings });
  await addTrunk(database, { name: 'telephones', enabled: true, settings: trunk.settings });
}

async function untilBound(database: Database): Promise<void> {
  const deadlineMs = performance.now() + BOUND_WITHIN_MS;
  for (;;) {
    const slots = await listLinkSlots(database);
    if (slots.filter((slot) => slot.bound).length === OPERATOR.links) break;
    if (performance.now() > deadlineMs) throw new Error('the nodes did not bind to the simulated operator');
    await pause(LOOK_EVERY_MS);
  }
  await pause(FOUND_BY_ALL_MS);
}
