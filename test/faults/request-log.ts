/** What became of each request, as the client that sent it saw it. */
import type { PlannedRequest } from './request-plan.ts';

export type RequestOutcome =
  /** 00000, or the msgid of a call. */
  | { readonly kind: 'accepted'; readonly msgid: number; readonly points: number | undefined }
  | { readonly kind: 'error'; readonly code: string }
  /** The connection ended, or the client's patience, with the request sent and no answer. */
  | { readonly kind: 'unanswered' }
  /** No connection: nothing was sent. */
  | { readonly kind: 'refused' };

export interface LoggedRequest {
  readonly planned: PlannedRequest;
  /** From 0. */
  readonly node: number;
  /** By this machine's clock. */
  readonly sentAtMs: number;
  endedAtMs: number;
  /** Undefined while it is under way. */
  outcome: RequestOutcome | undefined;
  /** Of the request to delete it, where there was one. */
  deletion: 'deleted' | 'not deleted' | 'unanswered' | undefined;
}
