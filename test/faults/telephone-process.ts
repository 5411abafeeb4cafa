/** The simulated telephones as a process of their own; prints the ports of SIP and of the list of calls. */
import { FollowingClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { runSimulator } from '../../src/simulator/process.ts';

const telephone = await runSimulator({
  host: '127.0.0.1',
  port: 0,
  httpPort: 0,
  sipPort: 0,
  dataDir: undefined,
  clock: new FollowingClock(),
  log: createLogger({ level: 'silent' }),
});
process.once('SIGTERM', () => void telephone.stop().then(() => process.exit()));
process.stdout.write(`listens on ${telephone.sipPort} and ${telephone.httpPort}\n`);
