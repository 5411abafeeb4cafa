/**
 * Everything a run is made of, as real processes: nodes of the platform, two at first, on a database that the run brings, a
 * simulated operator, simulated telephones, a customer's web server, and a proxy before the operator, the customer's server
 * and each node's HTTP port. Nothing of it is left behind.
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
import { FaultProxy, type Splice } from './fault-proxy.ts';
import { HandsetJournal } from './handset-journal.ts';
import { ManagedProcess } from './managed-process.ts';
import { OperatorMood } from './operator-mood.ts';
import { PlatformNode } from './platform-node.ts';
import type { UnknownPolicy } from './schedule.ts';
import type { WorldDatabase } from './world-database.ts';

const HOST = '127.0.0.1';
const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const POINTS = 1_000_000_000;
const BOUND_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;
/** Nodes look for operators and trunks once a second. */
const FOUND_BY_ALL_MS = 2_500;
const JOURNAL_POLL_MS = 100;
const OPERATOR_LATENCY_MS = 5;

export const ACCOUNT = { username: 'customer', password: 'faults-1234' } as const;
/** How it is bound to and what it takes, unless a run says otherwise. Few enough that what a cut can leave in doubt is a small part of a second's messages. */
export const OPERATOR = {
  systemId: 'faults',
  password: 'faults',
  links: 4,
  window: 40,
  throttle: 5_000,
  responseTimeoutMs: 2_000,
  enquireLinkMs: 2_000,
} as const;
type Operator = { readonly [Name in keyof typeof OPERATOR]: (typeof OPERATOR)[Name] extends number ? number : string };
/** Added to a message's validity before a missing receipt is given up. */
export const RECEIPT_GRACE_S = 60;

export interface World<Servers extends WorldDatabase = WorldDatabase> {
  readonly servers: Servers;
  /** Straight to the server that takes writes, through no proxy. */
  readonly database: Database;
  /** In the order in which they came; those that were killed stay. */
  readonly nodes: readonly [PlatformNode, PlatformNode, ...PlatformNode[]];
  /** One more, which joins the others. */
  readonly addNode: () => Promise<PlatformNode>;
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

export interface WorldOptions<Servers extends WorldDatabase> {
  readonly operator?: Partial<Operator>;
  /** How long a submit waits for its answer. */
  readonly operatorLatencyMs?: number;
  /** For every node, over what the world itself sets. */
  readonly nodeEnvironment?: Readonly<Record<string, string>>;
  /** Between the nodes and the operator with its moods: sees what the nodes send, and what they hear. */
  readonly watch?: (operator: Splice) => Splice;
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
  const { directory, stops, nodeEnvironment = {}, watch = (splice) => splice } = making;
  const operator = { ...OPERATOR, ...making.operator };
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
  const simulator = program(
    'operator',
    simulateArguments(operatorDirectory, making.operatorLatencyMs ?? OPERATOR_LATENCY_MS),
    /"smppPort":\s*(\d+)/,
    {
      LOG_LEVEL: 'warn',
    },
  );
  const mood = new OperatorMood(making.seed);
  const operatorLine = await line(new FaultProxy({ host: HOST, port: 1 }, (spliced) => watch(mood.splice(spliced))));
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
  const addNode = async (): Promise<PlatformNode> => {
    const name = `node-${nodes.length + 1}`;
    const environment = {
      ...environmentOf(await servers.urlForNode(), join(directory, name)),
      ...nodeEnvironment,
    };
    const requestLine = await line(new FaultProxy({ host: HOST, port: 1 }));
    const node = new PlatformNode(
      program(name, [fileOf('../../src/main.ts')], /API +(http:\S+)[\s\S]*Database/, environment),
      requestLine,
    );
    await node.start();
    nodes.push(node);
    requests.push(requestLine);
    return node;
  };
  await addNode();
  await addNode();
  // After the nodes, so that each takes its part of the links.
  const { unknownPolicy } = making;
  await addCustomers(database, { ...operator, port: operatorLine.port, unknownPolicy }, Number(sipPort));
  await untilBound(database, operator.links);
  return {
    servers,
    database,
    nodes: nodes as unknown as World['nodes'],
    addNode,
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

function simulateArguments(directory: string, latencyMs: number): string[] {
  const credentials = ['--system-id', OPERATOR.systemId, '--password', OPERATOR.password];
  const pace = ['--latency-ms', String(latencyMs), '--receipt-delay-ms', '200'];
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

function environmentOf(databaseUrl: string, dataDir: string): Record<string, string> {
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
  settings: Operator & { port: number; unknownPolicy: UnknownPolicy },
  sipPort: number,
): Promise<void> {
  const passwordHash = await hashPassword(ACCOUNT.password);
  await createAccount(database, { username: ACCOUNT.username, passwordHash, points: POINTS });
  const operator = parseOperatorSettings({ ...settings, host: HOST });
  const trunk = parseTrunkSettings({ host: HOST, port: sipPort, maxCalls: 100, callsPerSecond: 50 });
  if (!operator.ok || !trunk.ok) throw new Error('the settings of the run are wrong');
  await addOperator(database, { name: 'operator', enabled: true, settings: operator.settings });
  await addTrunk(database, { name: 'telephones', enabled: true, settings: trunk.settings });
}

async function untilBound(database: Database, links: number): Promise<void> {
  const deadlineMs = performance.now() + BOUND_WITHIN_MS;
  for (;;) {
    const slots = await listLinkSlots(database);
    if (slots.filter((slot) => slot.bound).length === links) break;
    if (performance.now() > deadlineMs) throw new Error('the nodes did not bind to the simulated operator');
    await pause(LOOK_EVERY_MS);
  }
  await pause(FOUND_BY_ALL_MS);
}
