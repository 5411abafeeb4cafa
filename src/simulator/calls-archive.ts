/**
 * Keeps calls that ended in files, so that they survive a restart: a line of JSON, then what was heard. A file is
 * written shortly after the call's end; a kill before that loses it. Bounded in files and in waiting writes. A call
 * that cannot be written is missing here, but nothing else is affected.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SavedCall, SimulatedCall } from './calls.ts';

const DIRECTORY = 'calls';
const FILE_NAME = /^([0-9a-f-]{36})\.call$/;
/** The latest; each is read when the telephone starts. */
const MAX_FILES = 1_000;
const MAX_WAITING = 1_000;
const NEWLINE = 0x0a;
const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

export class CallArchive {
  readonly #directory: string;
  readonly #onFault: (error: unknown) => void;
  readonly #maxFiles: number;
  /** Ids, oldest first. */
  readonly #files = new Set<string>();
  #waiting = 0;
  #work: Promise<void> = Promise.resolve();

  /** @param options.onFault what could not be read or written */
  constructor(options: { dataDir: string; onFault: (error: unknown) => void; maxFiles?: number }) {
    this.#directory = join(options.dataDir, DIRECTORY);
    this.#onFault = options.onFault;
    this.#maxFiles = options.maxFiles ?? MAX_FILES;
  }

  /** The calls of former lives, oldest first; what is damaged is deleted. Throws when the directory cannot be used. */
  load(): { call: SavedCall; heard: Buffer }[] {
    mkdirSync(this.#directory, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
    // One made by an earlier version was open to others.
    chmodSync(this.#directory, OWNER_ONLY_DIRECTORY);
    const loaded = [];
    for (const name of readdirSync(this.#directory)) {
      const saved = FILE_NAME.test(name) ? this.#read(name) : undefined;
      if (saved === undefined) rmSync(join(this.#directory, name), { recursive: true, force: true });
      else loaded.push(saved);
    }
    loaded.sort((left, right) => left.call.startedAtMs - right.call.startedAtMs);
    for (const { call } of loaded) this.#files.add(call.id);
    return loaded;
  }

  save(call: SimulatedCall): void {
    if (this.#waiting >= MAX_WAITING) return;
    this.#waiting += 1;
    this.#then(async () => {
      this.#waiting -= 1;
      const { recording, ...saved } = call;
      const path = join(this.#directory, `${call.id}.call`);
      const partial = `${path}.part`;
      await writeFile(partial, [Buffer.from(`${JSON.stringify(saved)}\n`), recording?.encoded() ?? Buffer.alloc(0)], {
        mode: OWNER_ONLY_FILE,
      });
      await rename(partial, path);
      this.#files.add(call.id);
      for (const id of this.#files) {
        if (this.#files.size <= this.#maxFiles) break;
        await this.#delete(id);
      }
    });
  }

  /** Also of one that is waiting to be saved. */
  remove(id: string): void {
    this.#then(() => this.#delete(id));
  }

  /** Resolves when all is written. */
  async stop(): Promise<void> {
    await this.#work;
  }

  async #delete(id: string): Promise<void> {
    if (this.#files.delete(id)) await rm(join(this.#directory, `${id}.call`), { force: true });
  }

  /** One after the other: a removal comes after the writing it undoes. */
  #then(step: () => Promise<void>): void {
    this.#work = this.#work.then(step).catch(this.#onFault);
  }

  #read(name: string): { call: SavedCall; heard: Buffer } | undefined {
    try {
      const bytes = readFileSync(join(this.#directory, name));
      const end = bytes.indexOf(NEWLINE);
      const call: unknown = JSON.parse(bytes.toString('utf8', 0, end));
      if (!isSavedCall(call) || `${call.id}.call` !== name) return undefined;
      return { call, heard: bytes.subarray(end + 1) };
    } catch (error) {
      this.#onFault(error);
      return undefined;
    }
  }
}

function isSavedCall(value: unknown): value is SavedCall {
  if (typeof value !== 'object' || value === null) return false;
  const call = value as Partial<Record<keyof SavedCall, unknown>>;
  const texts = [call.id, call.callId, call.number, call.from, call.pressed];
  const numbers = [call.startedAtMs, call.endedAtMs, call.packets, call.lost];
  const optional = [call.answeredAtMs, call.status];
  return (
    texts.every((text) => typeof text === 'string') &&
    numbers.every((number) => Number.isFinite(number)) &&
    optional.every((number) => number === undefined || Number.isFinite(number)) &&
    (call.endedBy === 'caller' || call.endedBy === 'phone') &&
    (call.codec === undefined || call.codec === 'PCMA' || call.codec === 'PCMU')
  );
}
