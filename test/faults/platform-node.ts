/** A node that can be killed or stopped, and comes up again as a supervisor would bring it up. */
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultProxy } from './fault-proxy.ts';
import type { ManagedProcess } from './managed-process.ts';

const HOST = '127.0.0.1';
const RESTART_PAUSE_MS = 500;
const RESTART_ATTEMPTS = 60;

export class PlatformNode {
  readonly process: ManagedProcess;
  /** Where its customers ask, in all of its lives. */
  readonly requestUrl: string;
  readonly #line: FaultProxy;
  #baseUrl = '';

  /** @param line before its HTTP port; it listens already */
  constructor(process: ManagedProcess, line: FaultProxy) {
    this.process = process;
    this.#line = line;
    this.requestUrl = `http://${HOST}:${line.port}`;
  }

  /** Of its latest life, past the line. */
  get baseUrl(): string {
    return this.#baseUrl;
  }

  /** Again and again until it is up: without its database for long it gives up by itself. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#baseUrl = (await this.process.start())[1] ?? '';
        this.#line.aimAt({ host: HOST, port: Number(new URL(this.#baseUrl).port) });
        await this.#line.listen();
        return;
      } catch (error) {
        if (attempt === RESTART_ATTEMPTS || this.process.isStopped) throw error;
        await this.process.kill();
        await pause(RESTART_PAUSE_MS);
      }
    }
  }

  /** As its supervisor stops it: with SIGTERM. Gives its exit code. */
  async terminate(): Promise<number | null> {
    const code = await this.process.terminate();
    this.#line.refuse();
    return code;
  }

  /** Its clients are refused from then on, as by a port that nobody listens on. */
  async kill(): Promise<void> {
    await this.process.kill();
    this.#line.refuse();
  }
}
