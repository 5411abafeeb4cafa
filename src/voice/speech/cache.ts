/**
 * Remembers speech by its text and settings, up to a number of bytes, and lets callers who ask for the same at the same
 * time share one synthesis. It keeps two generations instead of a list by age: when the young one is full it becomes
 * the old one, which is dropped whole, so forgetting costs nothing per entry. Entries that are used move back to the
 * young one.
 */
import { createHash } from 'node:crypto';
import type { SpeechDriver, SpeechRequest } from './driver.ts';

/** What an entry costs besides its samples: key, promise, map slot. */
const ENTRY_OVERHEAD_BYTES = 512;

export interface SpeechCacheOptions {
  driver: SpeechDriver;
  /** Sets the speech of one engine and its settings apart from another's. */
  engine: string;
  /** 0 keeps nothing; concurrent requests still share. */
  maxBytes: number;
}

export class SpeechCache implements SpeechDriver {
  readonly #driver: SpeechDriver;
  readonly #engine: string;
  readonly #generationBytes: number;
  #young = new Map<string, Int16Array>();
  #youngBytes = 0;
  #old = new Map<string, Int16Array>();
  #oldBytes = 0;
  readonly #underWay = new Map<string, Promise<Int16Array>>();

  constructor({ driver, engine, maxBytes }: SpeechCacheOptions) {
    this.#driver = driver;
    this.#engine = engine;
    this.#generationBytes = maxBytes / 2;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  synthesize(request: SpeechRequest): Promise<Int16Array> {
    const key = keyOf(this.#engine, request);
    const known = this.#find(key);
    if (known !== undefined) return Promise.resolve(known);
    const shared = this.#underWay.get(key);
    if (shared !== undefined) return shared;
    const making = this.#make(key, request);
    this.#underWay.set(key, making);
    return making;
  }

  async stop(): Promise<void> {
    await this.#driver.stop();
    this.#young.clear();
    this.#old.clear();
    this.#youngBytes = 0;
    this.#oldBytes = 0;
  }

  async #make(key: string, request: SpeechRequest): Promise<Int16Array> {
    try {
      const samples = await this.#driver.synthesize(request);
      this.#keep(key, samples);
      return samples;
    } finally {
      this.#underWay.delete(key);
    }
  }

  #find(key: string): Int16Array | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    this.#oldBytes -= sizeOf(old);
    this.#keep(key, old);
    return old;
  }

  #keep(key: string, samples: Int16Array): void {
    const size = sizeOf(samples);
    if (size > this.#generationBytes) return;
    if (this.#youngBytes + size > this.#generationBytes) {
      this.#old = this.#young;
      this.#oldBytes = this.#youngBytes;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(key, samples);
    this.#youngBytes += size;
  }
}

function sizeOf(samples: Int16Array): number {
  return samples.byteLength + ENTRY_OVERHEAD_BYTES;
}

/** A digest, so that no text of a customer stays in memory as a key. */
function keyOf(engine: string, { text, voice, speed, volume }: SpeechRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([engine, voice, speed, volume, text]))
    .digest('base64');
}
