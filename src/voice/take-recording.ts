/**
 * Takes a customer's recording from its URL to a stored file that every node can play: fetches, judges and stores it.
 * Anything wrong with it is answered with the contract's codes while the request waits.
 */
import type { Clock } from '../base/clock.ts';
import type { Database } from '../store/database.ts';
import { storeRecording } from '../store/call-recordings.ts';
import type { RecordingFetcher } from './fetch-recording.ts';
import { judgeRecording } from './recording.ts';

const SAMPLES_PER_MS = 8;

export type TakenRecording =
  | { readonly ok: true; readonly recordingId: number; readonly playMs: number }
  | { readonly ok: false; readonly code: '-10' | '-11' | '-12' };

const CODES = { [-10]: '-10', [-11]: '-11', [-12]: '-12' } as const;

export class RecordingIntake {
  readonly #fetcher: Pick<RecordingFetcher, 'fetch'>;
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(options: { fetcher: Pick<RecordingFetcher, 'fetch'>; database: Database; clock: Clock }) {
    this.#fetcher = options.fetcher;
    this.#database = options.database;
    this.#clock = options.clock;
  }

  /** Rejects only when the database does not answer. */
  async take(url: string, accountId: number): Promise<TakenRecording> {
    const fetched = await this.#fetcher.fetch(url, accountId);
    if (fetched.kind === 'failed') return { ok: false, code: '-12' };
    const judged = judgeRecording(fetched.file);
    if (!judged.ok) return { ok: false, code: CODES[judged.code] };
    const recordingId = await storeRecording(this.#database, fetched.file, this.#clock.now());
    return { ok: true, recordingId, playMs: Math.ceil(judged.data.length / SAMPLES_PER_MS) };
  }
}
