/**
 * query_sm (SMPP 3.4 §4.8) for segments whose receipt never came, at operators that support it: asked once, when
 * waiting is over. The answer goes the way of a receipt; without one the segment is given up as it would have been.
 */
import { sourceAddressOf } from '../domain/source-address.ts';
import { stateOfMessageState } from '../domain/states.ts';
import { parseSmppTime } from '../smpp/validity.ts';
import type { QueryResult } from '../smpp/session.ts';
import type { StageConnection } from '../store/database.ts';
import { type AskedSegment, takeSegmentsToAskAbout } from '../store/overdue-queries.ts';
import type { Dispatch } from './dispatch.ts';
import type { OperatorDirectory } from './operator-directory.ts';
import type { ReceiptIntake } from './receipt.ts';

const MAX_QUESTIONS = 100;
const PATIENCE_MS = 30_000;

export interface AskOperatorOptions {
  readonly connection: StageConnection;
  readonly directory: OperatorDirectory;
  readonly dispatch: Dispatch;
  readonly receipts: ReceiptIntake;
}

export class AskOperator {
  readonly #options: AskOperatorOptions;

  constructor(options: AskOperatorOptions) {
    this.#options = options;
  }

  /** Asks about what is overdue at operators that this node has a link to. */
  async ask(nowMs: number): Promise<void> {
    const operatorIds = [...this.#options.directory.all()]
      .filter(({ settings, operatorId }) => settings.querySm && this.#options.dispatch.find(operatorId)?.anyLink())
      .map(({ operatorId }) => operatorId);
    if (operatorIds.length === 0) return;
    const question = { nowMs, operatorIds, limit: MAX_QUESTIONS, patienceMs: PATIENCE_MS };
    for (const segment of await takeSegmentsToAskAbout(this.#options.connection, question)) {
      this.#askAbout(segment, nowMs);
    }
  }

  #askAbout(segment: AskedSegment, nowMs: number): void {
    const settings = this.#options.directory.find(segment.operatorId)?.settings;
    const link = this.#options.dispatch.find(segment.operatorId)?.anyLink();
    if (!settings || !link) return;
    const source = sourceAddressOf(segment.sourceAddress ?? undefined, settings);
    link.query(segment.id, source, (result) => this.#answered(segment, result, nowMs));
  }

  #answered(segment: AskedSegment, result: QueryResult, nowMs: number): void {
    if (result.kind !== 'response' || result.status !== 0) return;
    const finished = parseSmppTime(result.finalDate);
    this.#options.receipts.add(
      {
        operatorId: segment.operatorId,
        id: segment.id,
        state: stateOfMessageState(result.messageState),
        doneAtMs: finished?.kind === 'absolute' ? Math.min(finished.atMs, nowMs) : nowMs,
        mobile: segment.mobile,
        reference: undefined,
        detail: `query_sm: message_state ${result.messageState}`,
      },
      () => {},
    );
  }
}
