/**
 * The entry of `npm start` and of `feige serve`: configuration, one node, a table of what is where, and the end
 * on SIGTERM or Ctrl-C within ten seconds.
 */
import { setFlagsFromString } from 'node:v8';
import { FeigeError } from './base/errors.ts';
import { createLogger, type Logger } from './base/log.ts';
import { type Config, loadConfig } from './config.ts';
import { type Platform, startPlatform } from './platform.ts';
import { startAgain } from './start-again.ts';
import { welcome } from './welcome.ts';

/**
 * SIGTERM to exit takes at most 10 s beside STOP_DELAY_S; past this the process goes, and PostgreSQL recovers by
 * itself.
 */
const STOP_WITHIN_MS = 9_500;

/**
 * The heap may double before it is collected. Requests under way live some 100 ms, long enough to outlive the young
 * generation; V8's own setting let 130 MiB of them lie dead in the old one, with no gain in speed
 * (docs/decisions/0005).
 */
const HEAP_GROWTH = '--heap-growing-percent=100';

/** Runs a node until it is told to stop; resolves with the exit code. */
export async function serve(config: Config): Promise<number> {
  setFlagsFromString(HEAP_GROWTH);
  const log = createLogger({ level: config.logLevel });
  const stopAsked = Promise.withResolvers<string>();
  const unwanted = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      stopAsked.resolve(signal);
      unwanted.abort();
    });
  }
  let platform: Platform | undefined;
  try {
    platform = await startAgain({
      start: () => startPlatform(config, log),
      patienceMs: config.databaseUrl === undefined ? 0 : config.databasePatienceMs,
      unwanted: unwanted.signal,
      log,
    });
  } catch (error) {
    log.debug({ err: error }, 'the platform could not be started');
    process.stderr.write(`Feige could not be started: ${explain(error, config)}\n`);
    return 1;
  }
  if (platform === undefined) return 0;
  process.stdout.write(`${welcome(config, platform)}\n`);
  const signal = await stopAsked.promise;
  log.info({ signal }, 'stopping');
  const inTime = await stopInTime(platform, config.stopDelayMs + STOP_WITHIN_MS, log);
  log.info({ signal }, 'stopped');
  return inTime ? 0 : 1;
}

/** One sentence for the person who started it; LOG_LEVEL=debug tells the rest. */
function explain(error: unknown, config: Config): string {
  if (!(error instanceof Error)) return String(error);
  if (!('code' in error) || error.code !== 'EADDRINUSE' || !('port' in error)) {
    return error instanceof FeigeError ? error.message : (error.stack ?? error.message);
  }
  const variables: readonly (readonly [string, unknown])[] = [
    ['HTTP_PORT', config.httpPort],
    ['HTTPS_PORT', config.httpsPort],
    ['METRICS_PORT', config.metricsPort],
    ['SMSC_PORT', config.simulator.smscPort],
    ['TELEPHONE_PORT', config.simulator.telephonePort],
    ['SIP_PORT', config.voice.sipPort],
  ];
  const variable = variables.find(([, port]) => port === error.port)?.[0] ?? 'its variable';
  return `port ${String(error.port)} is taken, perhaps by another platform. Set ${variable} to another port, or to 0 for any free one.`;
}

async function stopInTime(platform: Platform, withinMs: number, log: Logger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => {
      log.error({}, 'the platform did not stop in time');
      resolve(false);
    }, withinMs);
  });
  const stopped = await Promise.race([platform.stop().then(() => true), late]);
  clearTimeout(timer);
  return stopped;
}

async function main(): Promise<void> {
  const loaded = loadConfig();
  if (!loaded.ok) {
    process.stderr.write(`The configuration has mistakes:\n${loaded.mistakes.map((m) => `  - ${m}`).join('\n')}\n`);
    process.exitCode = 1;
    return;
  }
  process.exit(await serve(loaded.config));
}

if (import.meta.main) await main();
