/**
 * A program of others, run for one test: found ready by the port it binds, ended with the test, its output kept for
 * the failure's report. Its folder is removed with it.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const READY_PATIENCE_MS = 20_000;
const READY_POLL_MS = 20;
const END_PATIENCE_MS = 5_000;
const MAX_OUTPUT_CHARS = 200_000;
const MAX_RESULT_BYTES = 268_435_456;
const RESULT_PATIENCE_MS = 60_000;
const MAX_PORT_TRIES = 100;
const FIRST_PORT = 10_000;
/** RTP of the platform begins at 20000. */
const LAST_PORT = 19_998;
/** include/net/tcp_states.h. */
const TCP_LISTEN = '0A';
const INSTALLER = 'scripts/install-peers.sh';

export interface PeerProcess {
  output(): string;
  /** The exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Before the test ends; resolves when it is gone. */
  end(): Promise<void>;
}

export interface PeerOptions {
  command: string;
  args: readonly string[];
  cwd: string;
  /** It is ready when it has bound this one on 127.0.0.1. */
  listens?: { protocol: 'udp' | 'tcp'; port: number };
}

/** A folder that goes when the test has ended. */
export async function makeFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'feige-peer-'));
  context.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Rejects when the program is not installed, ends too early or does not bind its port in time. */
export async function startPeer(context: TestContext, options: PeerOptions): Promise<PeerProcess> {
  const { command, args, cwd, listens } = options;
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-MAX_OUTPUT_CHARS);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw missing(command, error);
  }
  context.after(() => end(child, exited));
  if (listens !== undefined) await untilBound(child, listens, () => `${command}:\n${output}`);
  return { output: () => output, exited, end: () => end(child, exited) };
}

/** Runs a program to its end and returns what it wrote, to either stream. */
export async function runPeer(context: TestContext, command: string, args: readonly string[]): Promise<string> {
  const peer = await startPeer(context, { command, args, cwd: tmpdir() });
  assert.equal(await peer.exited, 0, peer.output());
  return peer.output();
}

/** Runs a program to its end and returns what it wrote to its standard output, however long. Rejects when it fails. */
export async function outputOf(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    maxBuffer: MAX_RESULT_BYTES,
    timeout: RESULT_PATIENCE_MS,
  }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? missing(command, error) : error;
  });
  return stdout;
}

function missing(command: string, cause: unknown): Error {
  return new Error(`${command} can't be run; ${INSTALLER} installs it`, { cause });
}

async function end(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), END_PATIENCE_MS);
  await exited;
  clearTimeout(late);
}

/**
 * The kernel's table of sockets says it: a probe would be a message to the peer. Of a port that a TCP peer had before,
 * old connections stand there too.
 */
async function untilBound(
  child: ChildProcess,
  { protocol, port }: { protocol: 'udp' | 'tcp'; port: number },
  story: () => string,
): Promise<void> {
  const entry = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const giveUpAtMs = performance.now() + READY_PATIENCE_MS;
  while (!boundIn(await readFile(`/proc/net/${protocol}`, 'utf8'), entry, protocol)) {
    assert.ok(child.exitCode === null && child.signalCode === null, `ended early: ${story()}`);
    assert.ok(performance.now() < giveUpAtMs, `not ready: ${story()}`);
    await pause(READY_POLL_MS);
  }
}

function boundIn(table: string, entry: string, protocol: 'udp' | 'tcp'): boolean {
  return table.split('\n').some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return local === entry && (protocol === 'udp' || state === TCP_LISTEN);
  });
}

/**
 * A port that was free a moment ago for UDP and TCP, as was the next one, which many peers take for TLS. Below those that
 * the kernel gives to outgoing connections, of which a busy machine has tens of thousands.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MAX_PORT_TRIES; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
  throw new Error('no free port found');
}

async function isFree(port: number): Promise<boolean> {
  const udp = createSocket('udp4');
  const tcp = createServer();
  try {
    udp.bind(port, '127.0.0.1');
    await once(udp, 'listening');
    tcp.listen(port, '127.0.0.1');
    await once(tcp, 'listening');
    tcp.close();
    await once(tcp, 'close');
    return true;
  } catch {
    return false;
  } finally {
    udp.close();
  }
}
