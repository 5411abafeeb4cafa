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
import { parseOperatorSettings } from '../src/domain/operator-settings.ts';
import { createAccount } from '../src/store/account-admin.ts';
import { Database } from '../src/store/database.ts';
import { findRunningEmbeddedPostgres, startEmbeddedPostgres } from '../src/store/embedded-postgres.ts';
import { addOperator, listLinkSlots } from '../src/store/operators.ts';
import { readPostmasterFile } from '../src/store/postgres-server.ts';
import { Program } from './program.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const FEIGE = fileURLToPath(new URL('../src/cli/feige.ts', import.meta.url));
const PASSWORD = 'bench-1234';
const POINTS = 1_000_000_000;
/** As the sandbox sets it; the throttle is out of the way. */
const OPERATOR = { systemId: 'bench', password: 'bench', links: 2, window: 500, throttle: 100_000 };
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
  /** The simulated operator's; undefined when the platform's only operator is out of reach. */
  readonly simulatorProcessId: number | undefined;
  readonly database: Database;
  readonly accounts: readonly BenchAccount[];
  /** What `work` gives; rejects when the platform ends before. */
  during<Result>(work: Promise<Result>): Promise<Result>;
  /** Ends its processes; what they wrote to disk goes with them. */
  stop(): Promise<void>;
}

export interface PlatformPlan {
  readonly accounts: number;
  /** False: the operator is an address where nobody listens, and everything stays in the queue. */
  readonly operatorUp: boolean;
  /** A directory for V8's processor profile of the platform. */
  readonly profileTo: string | undefined;
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
  const simulator = plan.operatorUp ? await startSimulator(directory, plan.signal) : undefined;
  if (simulator) stops.push(() => simulator.program.stop());
  const program = startProgram(plan, dataDir);
  stops.push(() => stopProgram(program, dataDir));
  const address = await program.find(
    (line) => /^\s*API\s+http:\/\/([\d.]+):(\d+)$/.exec(line) ?? undefined,
    plan.signal,
  );
  const database = new Database((await findRunningEmbeddedPostgres(dataDir)) ?? '');
  stops.push(() => database.stop());
  const accounts = await makeAccounts(database, plan.accounts);
  await makeOperator(database, simulator?.port ?? 1);
  await waitUntilSeen(database, plan);
  return {
    host: address[1] ?? '',
    port: Number(address[2]),
    processId: program.processId,
    postgresProcessId: readPostmasterFile(join(dataDir, 'postgres'))?.processId ?? 0,
    simulatorProcessId: simulator?.program.processId,
    database,
    accounts,
    during: (work) => Promise.race([work, program.watch()]),
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
      DATA_DIR: dataDir,
      HTTP_PORT: '0',
      HTTPS_PORT: 'off',
      METRICS_PORT: '0',
      SIMULATOR: 'off',
      CALLBACK_ALLOW: '127.0.0.0/8',
      // An operator that cannot be reached is a warning.
      LOG_LEVEL: plan.operatorUp ? 'warn' : 'error',
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

async function makeOperator(database: Database, port: number): Promise<void> {
  const parsed = parseOperatorSettings({ ...OPERATOR, host: '127.0.0.1', port });
  if (!parsed.ok) throw new Error(parsed.mistakes.join('; '));
  await addOperator(database, { name: 'bench', enabled: true, settings: parsed.settings });
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
