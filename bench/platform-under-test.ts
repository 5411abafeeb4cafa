/**
 * The platform that is measured: its own process, an embedded PostgreSQL made for this run with fsync on, and accounts
 * with points enough. Everything lies in one temporary directory, which goes with it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createLogger } from '../src/base/log.ts';
import { hashPassword } from '../src/base/password.ts';
import { type OperatorSettings, parseOperatorSettings } from '../src/domain/operator-settings.ts';
import { createAccount } from '../src/store/account-admin.ts';
import { Database } from '../src/store/database.ts';
import { findRunningEmbeddedPostgres, startEmbeddedPostgres } from '../src/store/embedded/postgres.ts';
import { addOperator, listLinkSlots, updateOperator } from '../src/store/operators.ts';
import { readPostmasterFile } from '../src/store/embedded/postgres-server.ts';
import { OPERATOR_CREDENTIALS } from './operator.ts';
import { Program } from './program.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const FEIGE = fileURLToPath(new URL('../src/cli/feige.ts', import.meta.url));
const PASSWORD = 'bench-1234';
const POINTS = 1_000_000_000;
export const OPERATOR_LINKS = 2;
/** As the sandbox sets it; the throttle is out of the way. */
const OPERATOR = { ...OPERATOR_CREDENTIALS, links: OPERATOR_LINKS, window: 500, throttle: 100_000 };
const OPERATOR_NAME = 'bench';
const LOOK_EVERY_MS = 50;
const SEEN_WITHIN_MS = 30_000;

export interface BenchAccount {
  readonly username: string;
  readonly password: string;
}

export interface PlatformUnderTest {
  readonly host: string;
  readonly port: number;
  readonly processId: number;
  readonly postgresProcessId: number;
  /** Where it tells its metrics. */
  readonly metricsUrl: string;
  /** The simulated operator's; undefined when the platform's only operator is out of reach. */
  readonly simulatorProcessId: number | undefined;
  readonly database: Database;
  readonly accounts: readonly BenchAccount[];
  /** What `work` gives; rejects when the platform ends before. */
  during<Result>(work: Promise<Result>): Promise<Result>;
  /** Changes how many segments a second go to the operator; its links are bound anew within a second or two. */
  setThrottle(perSecond: number): Promise<void>;
  /** Ends its processes; what they wrote to disk goes with them. */
  stop(): Promise<void>;
}

export interface PlatformPlan {
  readonly accounts: number;
  /** False: the operator is an address where nobody listens, and everything stays in the queue. */
  readonly operatorUp: boolean;
  /** Where an operator of the benchmark's own listens; absent: a simulator is started for it. */
  readonly operatorPort?: number;
  /** Segments a second that the operator's entry allows; out of the way unless given. */
  readonly throttle?: number;
  /** A directory for V8's processor profile of the platform. */
  readonly profileTo: string | undefined;
  /** Variables of the platform beside the benchmark's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** More options for the platform's Node. */
  readonly nodeOptions?: readonly string[];
  readonly signal: AbortSignal;
}

/** Resolves when the platform answers and its links are bound; leaves nothing behind when it rejects. */
export async function startPlatformUnderTest(plan: PlatformPlan): Promise<PlatformUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'feige-bench-'));
  const stops: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    return { ...(await start(plan, directory, stops)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  plan: PlatformPlan,
  directory: string,
  stops: (() => Promise<unknown>)[],
): Promise<Omit<PlatformUnderTest, 'stop'>> {
  const dataDir = join(directory, 'data');
  const needsSimulator = plan.operatorUp && plan.operatorPort === undefined;
  const simulator = needsSimulator ? await startSimulator(directory, plan.signal) : undefined;
  if (simulator) stops.push(() => simulator.program.stop());
  const program = startProgram(plan, dataDir);
  stops.push(() => stopProgram(program, dataDir));
  const [address, metrics] = await Promise.all([
    program.find((line) => /^\s*API\s+http:\/\/([\d.]+):(\d+)$/.exec(line) ?? undefined, plan.signal),
    program.find((line) => /^\s*Metrics\s+(\S+)$/.exec(line)?.[1], plan.signal),
  ]);
  const database = new Database((await findRunningEmbeddedPostgres(dataDir)) ?? '');
  stops.push(() => database.stop());
  const accounts = await makeAccounts(database, plan.accounts);
  const operator = { ...OPERATOR, port: plan.operatorPort ?? simulator?.port ?? 1 };
  await addOperator(database, {
    name: OPERATOR_NAME,
    enabled: true,
    settings: operatorSettings({ ...operator, throttle: plan.throttle ?? operator.throttle }),
  });
  await waitUntilSeen(database, plan);
  return {
    host: address[1] ?? '',
    port: Number(address[2]),
    metricsUrl: metrics,
    processId: program.processId,
    postgresProcessId: readPostmasterFile(join(dataDir, 'postgres'))?.processId ?? 0,
    simulatorProcessId: simulator?.program.processId,
    database,
    accounts,
    during: (work) => Promise.race([work, program.watch()]),
    setThrottle: async (throttle) => {
      await updateOperator(database, OPERATOR_NAME, { settings: operatorSettings({ ...operator, throttle }) });
    },
  };
}

function startProgram(plan: PlatformPlan, dataDir: string): Program {
  const { profileTo, nodeOptions = [] } = plan;
  const profiling = profileTo === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileTo}`];
  return new Program({
    name: 'platform',
    arguments: [MAIN],
    nodeOptions: [...nodeOptions, ...profiling],
    environment: {
      // As npm start has it.
      MALLOC_MMAP_THRESHOLD_: '4194304',
      DATA_DIR: dataDir,
      HTTP_PORT: '0',
      HTTPS_PORT: 'off',
      METRICS_PORT: '0',
      SIMULATOR: 'off',
      CALLBACK_ALLOW: '127.0.0.0/8',
      // An operator that cannot be reached is a warning.
      LOG_LEVEL: plan.operatorUp ? 'warn' : 'error',
      ...plan.environment,
    },
  });
}

/** A platform that was killed leaves its PostgreSQL running. */
async function stopProgram(program: Program, dataDir: string): Promise<void> {
  if (await program.stop()) return;
  const left = await findRunningEmbeddedPostgres(dataDir);
  if (left === undefined) return;
  const adopted = await startEmbeddedPostgres({ dataDir, log: createLogger({ level: 'silent' }) });
  await adopted.stop();
}

async function makeAccounts(database: Database, count: number): Promise<BenchAccount[]> {
  const accounts: BenchAccount[] = [];
  const passwordHash = await hashPassword(PASSWORD);
  for (let index = 0; index < count; index++) {
    const username = `customer${index}`;
    await createAccount(database, { username, passwordHash, points: POINTS });
    accounts.push({ username, password: PASSWORD });
  }
  return accounts;
}

async function startSimulator(directory: string, signal: AbortSignal): Promise<{ program: Program; port: number }> {
  const credentials = ['--system-id', OPERATOR.systemId, '--password', OPERATOR.password];
  const program = new Program({
    name: 'simulator',
    arguments: [
      FEIGE,
      'simulate',
      '--json',
      '--smsc-port',
      '0',
      '--data-dir',
      join(directory, 'simulator'),
      ...credentials,
    ],
    environment: { LOG_LEVEL: 'warn' },
  });
  try {
    const port = await program.find((line) => /"smppPort":\s*(\d+)/.exec(line)?.[1], signal);
    return { program, port: Number(port) };
  } catch (error) {
    await program.stop();
    throw error;
  }
}

function operatorSettings(given: typeof OPERATOR & { port: number }): OperatorSettings {
  const parsed = parseOperatorSettings({ ...given, host: '127.0.0.1' });
  if (!parsed.ok) throw new Error(parsed.mistakes.join('; '));
  return parsed.settings;
}

/** The platform looks for new operators once a second; a slot that it holds shows that it has found this one. */
async function waitUntilSeen(database: Database, plan: PlatformPlan): Promise<void> {
  const deadlineMs = performance.now() + SEEN_WITHIN_MS;
  while (performance.now() < deadlineMs) {
    const slots = await listLinkSlots(database);
    if (slots.length > 0 && slots.every((slot) => (plan.operatorUp ? slot.bound : slot.epoch !== null))) return;
    await pause(LOOK_EVERY_MS, undefined, { signal: plan.signal });
  }
  throw new Error('the platform did not bind to the simulated operator');
}
