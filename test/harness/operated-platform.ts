/**
 * What stands around nodes in a trial of how they share their work: an account with points, an operator that the trial
 * brings, and a customer's server that takes the callbacks.
 */
import { hashPassword } from '../../src/base/password.ts';
import { parseOperatorSettings } from '../../src/domain/operator-settings.ts';
import { createAccount } from '../../src/store/account-admin.ts';
import type { Database } from '../../src/store/database.ts';
import { addOperator } from '../../src/store/operators.ts';
import { Campaign } from './campaign.ts';
import { startCustomerServer } from './customer-server.ts';

const USER = { username: 'customer', password: 'secret77' };
const POINTS = 1_000_000;

interface OperatorOfTrial {
  readonly port: number;
  /** How often each text was shown at a handset. */
  delivered(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export interface Surroundings {
  /** What a node needs in its environment beside DATABASE_URL. */
  readonly env: Record<string, string>;
  startCampaign(options: { nodes: () => readonly string[]; perSecond: number }): Campaign;
  /** How often each text was shown at a handset. */
  delivered(): ReadonlyMap<string, number>;
  calledBack(): ReadonlySet<number>;
  stop(): Promise<void>;
}

/**
 * On a migrated database that no node has worked on yet.
 * @param options.operator is stopped with the rest
 */
export async function startSurroundings(
  database: Database,
  options: { links: number; throttle: number; operator: OperatorOfTrial },
): Promise<Surroundings> {
  const customer = await startCustomerServer((response) => response.end('OK'));
  const { operator } = options;
  const passwordHash = await hashPassword(USER.password);
  await createAccount(database, { username: USER.username, passwordHash, points: POINTS, settings: {} });
  const settings = parseOperatorSettings({
    host: '127.0.0.1',
    port: operator.port,
    systemId: 'feige',
    password: 'simulate',
    responseTimeoutMs: 5_000,
    links: options.links,
    throttle: options.throttle,
  });
  if (!settings.ok) throw new Error(settings.mistakes.join('; '));
  await addOperator(database, { name: 'carrier', enabled: true, settings: settings.settings });
  return {
    env: { SIMULATOR: 'off', CALLBACK_ALLOW: '127.0.0.0/8' },
    startCampaign: ({ nodes, perSecond }) => new Campaign({ nodes, perSecond, ...USER, drurl: customer.url }),
    delivered: () => operator.delivered(),
    calledBack: () => {
      const receipts = customer.requests.map((url) => new URL(url, 'http://customer').searchParams.get('smsresp'));
      return new Set(receipts.map((receipt) => Number((JSON.parse(receipt ?? '{}') as { msgid?: string }).msgid)));
    },
    stop: async () => {
      await operator.stop();
      await customer.stop();
    },
  };
}
