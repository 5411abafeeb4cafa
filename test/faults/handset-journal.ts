/**
 * What reached the handsets, read from the simulated operator's journal while it grows. The operator rewrites the file
 * at every start and keeps little of the past; here everything is kept that was once in it, each arrival once.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseLine } from '../../src/simulator/journal-lines.ts';

const READ_BYTES = 1_048_576;
/** In the text of every segment: #123# of the request with that number. */
const MARK = /#(\d+)#/;

export interface HandsetArrival {
  /** Of the request. */
  readonly serial: number;
  /** From 1. */
  readonly segment: number;
  /** By this machine's clock. */
  readonly atMs: number;
}

export class HandsetJournal {
  readonly arrivals: HandsetArrival[] = [];
  readonly #path: string;
  /** Lines of the present file's past: a rewritten journal repeats those of unfinished messages. */
  readonly #seen = new Set<string>();
  #file: number | undefined;
  #offset = 0;
  #rest = '';

  constructor(directory: string) {
    this.#path = join(directory, 'simulator.journal');
  }

  /** Reads what was added; often enough that a file is not replaced twice in between. */
  poll(): void {
    this.#readOn();
    if (!this.#isReplaced()) return;
    this.#readOn();
    this.close();
    try {
      this.#file = openSync(this.#path, 'r');
    } catch {
      return;
    }
    this.#offset = 0;
    // A line without its end was never answered, and the next life does not know it.
    this.#rest = '';
    this.#readOn();
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #isReplaced(): boolean {
    const now = statSync(this.#path, { throwIfNoEntry: false });
    if (now === undefined) return false;
    return this.#file === undefined || fstatSync(this.#file).ino !== now.ino;
  }

  #readOn(): void {
    if (this.#file === undefined) return;
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (;;) {
      const length = readSync(this.#file, buffer, 0, READ_BYTES, this.#offset);
      if (length === 0) return;
      this.#offset += length;
      // Escapes keep the arrivals' lines in ASCII but for the text, whose mark is ASCII.
      const lines = (this.#rest + buffer.toString('latin1', 0, length)).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    }
  }

  #take(line: string): void {
    if (!line.startsWith('P\t') || this.#seen.has(line)) return;
    this.#seen.add(line);
    const record = parseLine(line);
    if (record?.kind !== 'arrival') return;
    const serial = MARK.exec(record.arrival.text)?.[1];
    if (serial === undefined) throw new Error(`a handset shows what nobody sent: ${line}`);
    this.arrivals.push({
      serial: Number(serial),
      segment: record.arrival.part?.sequence ?? 1,
      atMs: record.arrival.atMs,
    });
  }
}
