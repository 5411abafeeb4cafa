/**
 * An append-only file of lines. A line is in the kernel, and so survives a kill of the process, before `whenWritten`
 * says so; all lines of one turn of the event loop are one write. No fsync: a power cut may lose the last seconds.
 * Lines are kept until a rewrite, which replaces the file by what the owner says is still true.
 */
import { closeSync, mkdirSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const FILE_NAME = 'simulator.journal';
const READ_BYTES = 1_048_576;
const WRITE_CHARACTERS = 1_048_576;
/** No line of ours comes near; what is longer is damage. */
const MAX_LINE_BYTES = 1_048_576;
/** Rewritten when it has grown by this and has doubled since the last rewrite. */
const REWRITE_GROWTH_BYTES = 64 * 1_048_576;
const NEWLINE = 0x0a;

export class Journal {
  readonly #path: string | undefined;
  readonly #snapshot: () => Iterable<string>;
  readonly #onFault: (error: unknown) => void;
  readonly #growthBytes: number;
  #file: number | undefined;
  #bytes = 0;
  #bytesAfterRewrite = 0;
  #lines: string[] = [];
  #waiting: ((written: boolean) => void)[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  /** A failed write may have left half a line. */
  #torn = false;

  /**
   * @param options.directory made if missing; undefined keeps nothing
   * @param options.snapshot lines, without their ends, that stand for everything that still holds
   * @param options.onFault what went wrong in a write, or in a waiting function
   */
  constructor(options: {
    directory: string | undefined;
    snapshot: () => Iterable<string>;
    onFault: (error: unknown) => void;
    rewriteGrowthBytes?: number;
  }) {
    if (options.directory !== undefined) mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#path = options.directory === undefined ? undefined : join(options.directory, FILE_NAME);
    this.#snapshot = options.snapshot;
    this.#onFault = options.onFault;
    this.#growthBytes = options.rewriteGrowthBytes ?? REWRITE_GROWTH_BYTES;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Hands over the lines of the last life, then rewrites the file and holds it open. An unended last line is dropped.
   */
  open(onLine: (line: string) => void): void {
    if (this.#path === undefined) return;
    readLines(this.#path, onLine);
    this.#rewrite(this.#path);
  }

  append(line: string): void {
    if (this.#path !== undefined) this.#lines.push(line);
    this.#schedule();
  }

  /** Calls back once all that was appended before is in the kernel, or with false when it could not be written. */
  whenWritten(run: (written: boolean) => void): void {
    this.#waiting.push(run);
    this.#schedule();
  }

  /** Writes what is left and lets go of the file. */
  close(): void {
    this.#flush();
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    const written = this.#write();
    for (const run of waiting) {
      try {
        run(written);
      } catch (error) {
        this.#onFault(error);
      }
    }
    this.#rewriteIfGrown();
  }

  #write(): boolean {
    if (this.#lines.length === 0) return true;
    const lines = this.#lines;
    this.#lines = [];
    if (this.#file === undefined) return false;
    try {
      const text = `${this.#torn ? '\n' : ''}${lines.join('\n')}\n`;
      this.#torn = true;
      this.#bytes += writeWhole(this.#file, text);
      this.#torn = false;
      return true;
    } catch (error) {
      this.#onFault(error);
      return false;
    }
  }

  #rewriteIfGrown(): void {
    if (this.#path === undefined || this.#file === undefined) return;
    if (this.#bytes < this.#bytesAfterRewrite * 2 || this.#bytes - this.#bytesAfterRewrite < this.#growthBytes) return;
    try {
      this.#rewrite(this.#path);
    } catch (error) {
      // The old file is still whole and open; the next try is due when it has grown as much again.
      this.#bytesAfterRewrite = this.#bytes;
      this.#onFault(error);
    }
  }

  #rewrite(path: string): void {
    const temporary = `${path}.new`;
    rmSync(temporary, { force: true });
    const file = openSync(temporary, 'a', 0o600);
    let bytes = 0;
    try {
      let text = '';
      for (const line of this.#snapshot()) {
        text += `${line}\n`;
        if (text.length < WRITE_CHARACTERS) continue;
        bytes += writeWhole(file, text);
        text = '';
      }
      bytes += writeWhole(file, text);
      renameSync(temporary, path);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = file;
    this.#torn = false;
    this.#bytes = bytes;
    this.#bytesAfterRewrite = bytes;
  }
}

function writeWhole(file: number, text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
  return bytes.length;
}

function readLines(path: string, onLine: (line: string) => void): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  try {
    let rest = Buffer.alloc(0);
    const chunk = Buffer.alloc(READ_BYTES);
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
      const bytes = Buffer.concat([rest, chunk.subarray(0, length)]);
      let from = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
        if (end > from) onLine(bytes.toString('utf8', from, end));
        from = end + 1;
      }
      rest = bytes.length - from > MAX_LINE_BYTES ? Buffer.alloc(0) : Buffer.from(bytes.subarray(from));
    }
  } finally {
    closeSync(file);
  }
}
