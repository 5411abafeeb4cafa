/**
 * What the sandbox is made of in the database: the design's demo accounts and the operator that leads to the
 * simulator. Only called while the simulator is on. Accounts that exist stay as they are, their points included;
 * the operator's address follows the configuration at every start.
 */
import { hashPassword } from '../base/password.ts';
import { parseOperatorSettings } from '../domain/operator-settings.ts';
import { type AccountSettings, createAccount, showAccount } from './account-admin.ts';
import type { Database } from './database.ts';
import { assignNumber, listNumbers } from './numbers.ts';
import { addOperator, findOperator, type Operator, updateOperator } from './operators.ts';

interface DemoAccount {
  readonly username: string;
  readonly password: string;
  readonly points: number;
  /** What the account is there to show. */
  readonly shows: string;
  readonly settings: Partial<AccountSettings>;
}

export const DEMO_PASSWORD = '1234';
const DEMO_POINTS = 100_000;

export const DEMO_ACCOUNTS: readonly DemoAccount[] = [
  {
    username: 'test',
    password: DEMO_PASSWORD,
    points: DEMO_POINTS,
    shows: 'everything works, abroad as well',
    settings: { international: true },
  },
  {
    username: 'test123',
    password: '1234test',
    points: DEMO_POINTS,
    shows: 'has the two-way number 12345',
    settings: {},
  },
  {
    username: 'nopoints',
    password: DEMO_PASSWORD,
    points: 0,
    shows: 'has no points',
    settings: {},
  },
  {
    username: 'domestic',
    password: DEMO_PASSWORD,
    points: DEMO_POINTS,
    shows: 'may not send abroad',
    settings: { international: false },
  },
  {
    username: 'disabled',
    password: DEMO_PASSWORD,
    points: DEMO_POINTS,
    shows: 'is disabled',
    settings: { state: 'disabled' },
  },
  {
    username: 'noapi',
    password: DEMO_PASSWORD,
    points: DEMO_POINTS,
    shows: 'has its API switched off',
    settings: { api: false },
  },
  {
    username: 'badip',
    password: DEMO_PASSWORD,
    points: DEMO_POINTS,
    shows: 'may only be used from 192.0.2.1',
    settings: { ipAllow: ['192.0.2.1/32'] },
  },
];

export const DEMO_NUMBER = { snumber: '12345', address: '12345', username: 'test123' } as const;

/** Makes the demo accounts that are missing; gives their names. A number that somebody else has by now stays theirs. */
export async function ensureDemoAccounts(db: Database): Promise<string[]> {
  const made: string[] = [];
  for (const { username, password, points, settings } of DEMO_ACCOUNTS) {
    if ((await showAccount(db, username)) !== undefined) continue;
    const passwordHash = await hashPassword(password);
    const created = await createAccount(db, { username, passwordHash, points, settings });
    if (created.kind === 'created') made.push(username);
  }
  // Only together with its account: a number that was released later must not come back at the next start.
  const taken = (await listNumbers(db)).some(
    (number) => number.snumber === DEMO_NUMBER.snumber || number.address === DEMO_NUMBER.address,
  );
  if (made.includes(DEMO_NUMBER.username) && !taken) await assignNumber(db, DEMO_NUMBER);
  return made;
}

export const SIMULATED_OPERATOR_NAME = 'simulator';

/** Enough for the benchmark: the simulator itself sets the pace. */
const SIMULATED_LINKS = 2;
const SIMULATED_WINDOW = 500;
const SIMULATED_THROTTLE_SEGMENTS_PER_SECOND = 20_000;

/** Makes the operator `simulator`, or points the existing one at where the simulator listens now. */
export async function ensureSimulatedOperator(
  db: Database,
  target: { host: string; port: number; systemId: string; password: string },
): Promise<Operator> {
  const { host, port, systemId, password } = target;
  const existing = await findOperator(db, SIMULATED_OPERATOR_NAME);
  if (existing === undefined) {
    const parsed = parseOperatorSettings({
      host,
      port,
      systemId,
      password,
      links: SIMULATED_LINKS,
      window: SIMULATED_WINDOW,
      throttle: SIMULATED_THROTTLE_SEGMENTS_PER_SECOND,
    });
    if (!parsed.ok) throw new Error(`the simulator cannot be an operator: ${parsed.mistakes.join('; ')}`);
    const added = await addOperator(db, {
      name: SIMULATED_OPERATOR_NAME,
      enabled: true,
      settings: parsed.settings,
      isPublished: true,
    });
    if (added.kind === 'added') return added.operator;
    return ensureSimulatedOperator(db, target);
  }
  const { settings } = existing;
  const same =
    settings.host === host &&
    settings.port === port &&
    settings.systemId === systemId &&
    settings.password === password;
  if (same) return existing;
  const updated = await updateOperator(db, SIMULATED_OPERATOR_NAME, {
    settings: { ...settings, host, port, systemId, password },
    isPublished: true,
  });
  return updated.kind === 'updated' ? updated.operator : ensureSimulatedOperator(db, target);
}
