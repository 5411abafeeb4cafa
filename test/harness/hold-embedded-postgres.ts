/** A program for tests of kills: starts the embedded PostgreSQL of the directory in its argument, says where, and waits. */
import { createLogger } from '../../src/base/log.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded/postgres.ts';

const LONGEST_WAIT_MS = 300_000;

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('the data directory is missing');
const { processId, url } = await startEmbeddedPostgres({ dataDir, log: createLogger({ level: 'silent' }) });
process.stdout.write(`${JSON.stringify({ processId, url })}\n`);
setTimeout(() => process.exit(1), LONGEST_WAIT_MS);
