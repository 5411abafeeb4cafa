/**
 * The sandbox around a node: the simulated operator and telephones on loopback, and the demo accounts, operator and
 * trunk that lead to them. Only started while the simulator is on.
 */
import type { Clock } from './base/clock.ts';
import type { Logger } from './base/log.ts';
import type { Config } from './config.ts';
import type { Listener } from './outgoing/address-rules.ts';
import { SimulatedTelephone } from './simulator/callee.ts';
import { SimulatedOperator } from './simulator/smsc.ts';
import type { Database } from './store/database.ts';
import { ensureDemoAccounts, ensureSimulatedOperator } from './store/demo-accounts.ts';
import { enterSandbox } from './store/sandbox.ts';
import { ensureSimulatedTrunk } from './store/trunks.ts';
import type { StopList } from './stop-list.ts';

const HOST = '127.0.0.1';
const SYSTEM_ID = 'feige';
const PASSWORD = 'simulate';

export interface Sandbox {
  readonly operator: SimulatedOperator;
  readonly telephone: SimulatedTelephone;
  readonly smsc: Listener;
  readonly sip: Listener;
}

export async function startSandbox(parts: {
  config: Config;
  database: Database;
  clock: Clock;
  log: Logger;
  stops: StopList;
}): Promise<Sandbox> {
  const { config, database, clock, log, stops } = parts;
  const operator = new SimulatedOperator({
    host: HOST,
    port: config.simulator.smscPort,
    dataDir: config.dataDir,
    systemId: SYSTEM_ID,
    password: PASSWORD,
    latencyMs: config.simulator.latencyMs,
    receiptDelayMs: config.simulator.receiptDelayMs,
    throttlePerSecond: config.simulator.throttleSegmentsPerSecond,
    errorRate: config.simulator.errorRate,
    clock,
    log,
  });
  const smsc = { address: HOST, port: (await operator.start()).port };
  stops.add(() => operator.stop());
  const telephone = new SimulatedTelephone({
    host: HOST,
    port: config.simulator.telephonePort,
    dataDir: config.dataDir,
    clock,
    log,
  });
  const sip = { address: HOST, port: (await telephone.start()).port };
  stops.add(() => telephone.stop());
  await enterSandbox(database);
  await ensureDemoAccounts(database);
  await ensureSimulatedOperator(database, { host: HOST, port: smsc.port, systemId: SYSTEM_ID, password: PASSWORD });
  await ensureSimulatedTrunk(database, { host: HOST, port: sip.port });
  return { operator, telephone, smsc, sip };
}
