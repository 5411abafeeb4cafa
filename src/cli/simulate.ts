/**
 * `feige simulate`: the simulated operator, and the telephones if asked for, as a process of their own until a signal.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CommandFailure } from './failure.ts';
import { type JsonOption, pairs, print } from './output.ts';
import { requireConfig } from './platform.ts';
import { jsonOption, wholeNumber } from './values.ts';

const MAX_PORT = 65_535;
const MAX_DELAY_MS = 3_600_000;
const MAX_THROTTLE = 1_000_000;

/** System calls that fail because of --host, a port, or --data-dir. */
const FROM_OPTIONS = new Set(['listen', 'bind', 'getaddrinfo', 'mkdir', 'open']);
const ANOTHER_PORT =
  "a platform's own simulator listens on SMSC_PORT and TELEPHONE_PORT, give another --smsc-port or --sip-port";

interface SimulateOptions extends JsonOption {
  host: string;
  smscPort?: number;
  httpPort: number;
  sipPort?: number;
  dataDir?: string;
  systemId?: string;
  password?: string;
  latencyMs?: number;
  receiptDelayMs?: number;
  throttle?: number;
  errorRate?: number;
}

export function simulateCommand(): Command {
  const milliseconds = wholeNumber(0, MAX_DELAY_MS);
  return new Command('simulate')
    .option('--host <address>', 'where all ports listen', '127.0.0.1')
    .addOption(new Option('--smsc-port <port>', 'SMPP; SMSC_PORT unless given').argParser(wholeNumber(0, MAX_PORT)))
    .addOption(
      new Option('--http-port <port>', 'the handsets; 0 takes any free port')
        .argParser(wholeNumber(0, MAX_PORT))
        .default(0),
    )
    .addOption(
      new Option(
        '--sip-port <port>',
        'the telephones, UDP and TCP; none unless given, 0 takes any free port',
      ).argParser(wholeNumber(0, MAX_PORT)),
    )
    .option('--data-dir <directory>', 'where its journal lies; DATA_DIR/simulator unless given')
    .option('--system-id <text>', 'the system_id that binds have to give; feige unless given')
    .option('--password <text>', 'the password that binds have to give; simulate unless given')
    .addOption(new Option('--latency-ms <number>', 'until a submit is answered').argParser(milliseconds))
    .addOption(new Option('--receipt-delay-ms <number>', 'from the answer to the receipt').argParser(milliseconds))
    .addOption(
      new Option('--throttle <number>', 'segments a second that it takes, 0 for any number').argParser(
        wholeNumber(0, MAX_THROTTLE),
      ),
    )
    .addOption(new Option('--error-rate <share>', 'share of submits that it refuses, 0 to 1').argParser(parseRate))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nWhat is not given is taken from the environment: SMSC_PORT, SIMULATOR_LATENCY_MS, SIMULATOR_RECEIPT_DELAY_MS,\nSIMULATOR_THROTTLE, SIMULATOR_ERROR_RATE. How numbers behave: docs/reference/simulator.md.\n\nExample:\n  feige simulate --smsc-port 2776 --http-port 8081 --latency-ms 50',
    )
    .action(run);
}

function parseRate(value: string): number {
  const rate = Number(value);
  if (/^\d+(\.\d+)?$/.test(value) && rate <= 1) return rate;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}

async function run(options: SimulateOptions): Promise<void> {
  const config = await requireConfig();
  const { createLogger } = await import('../base/log.ts');
  const { FollowingClock } = await import('../base/clock.ts');
  const { runSimulator } = await import('../simulator/process.ts');
  const { host, httpPort, sipPort, systemId, password } = options;
  const port = options.smscPort ?? config.simulator.smscPort;
  // Standard output holds what --json promises and nothing else.
  const log = createLogger({ level: config.logLevel, destination: process.stderr });
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort());
  const simulator = await runSimulator({
    host,
    port,
    httpPort,
    dataDir: options.dataDir ?? join(config.dataDir, 'simulator'),
    clock: new FollowingClock(),
    log,
    latencyMs: options.latencyMs ?? config.simulator.latencyMs,
    receiptDelayMs: options.receiptDelayMs ?? config.simulator.receiptDelayMs,
    throttlePerSecond: options.throttle ?? config.simulator.throttleSegmentsPerSecond,
    errorRate: options.errorRate ?? config.simulator.errorRate,
    ...(sipPort !== undefined && { sipPort }),
    ...(systemId !== undefined && { systemId }),
    ...(password !== undefined && { password }),
  }).catch(explain);
  const { smppPort } = simulator;
  const handsets = `http://${host.includes(':') ? `[${host}]` : host}:${simulator.httpPort}/simulator/handsets/`;
  const telephones = simulator.sipPort ?? null;
  print(options, { host, smppPort, httpPort: simulator.httpPort, sipPort: telephones, handsets }, () =>
    pairs([
      ['SMPP', `${host}:${smppPort}`],
      ...(telephones === null ? [] : [['SIP', `${host}:${telephones}`] as const]),
      ['handsets', `${handsets}0911222333/messages`],
    ]),
  );
  if (!stopping.signal.aborted) await once(stopping.signal, 'abort');
  await simulator.stop();
}

/** What a port, a host or a directory given by the user can come to. */
function explain(error: unknown): never {
  const { code, syscall = '' } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || !FROM_OPTIONS.has(syscall)) throw error;
  throw new CommandFailure(code === 'EADDRINUSE' ? `${error.message}; ${ANOTHER_PORT}` : error.message);
}
