/** What Feige and the process that runs eSpeak NG say to each other over Node's IPC channel. */
import type { EspeakPiece } from './espeak-plan.ts';

export interface EspeakJob {
  job: number;
  pieces: EspeakPiece[];
  /** 0 to 100. */
  volume: number;
}

export type EspeakAnswer =
  | { kind: 'ready' }
  | { kind: 'made'; job: number; samples: Int16Array }
  | { kind: 'failed'; job: number; reason: string };
