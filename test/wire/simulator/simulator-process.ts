/** A simulated operator in a process of its own, for tests that kill it: prints its ports as one line of JSON. */
import { FollowingClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { runSimulator } from '../../../src/simulator/process.ts';

const [dataDir] = process.argv.slice(2);
const { smppPort, httpPort } = await runSimulator({
  host: '127.0.0.1',
  port: 0,
  httpPort: 0,
  dataDir,
  clock: new FollowingClock(),
  log: createLogger({ level: 'silent' }),
});
process.stdout.write(`${JSON.stringify({ smppPort, httpPort })}\n`);
