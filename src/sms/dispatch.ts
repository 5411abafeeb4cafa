/**
 * Keeps one OperatorDispatch for each enabled operator, in the version of its settings that holds now. An
 * operator whose settings changed is drained and started anew.
 */
import type { QueueHolder } from '../store/queue.ts';
import { OperatorDispatch, type DispatchContext } from './operator-dispatch.ts';

export class Dispatch {
  readonly #context: DispatchContext;
  readonly #running = new Map<number, OperatorDispatch>();
  readonly #ending = new Map<number, Promise<void>>();
  #stopped = true;

  constructor(context: DispatchContext) {
    this.#context = context;
    context.directory.onRefresh(() => this.#follow());
  }

  start(): void {
    this.#stopped = false;
    this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const operatorId of this.#running.keys()) this.#end(operatorId);
    await Promise.all(this.#ending.values());
  }

  /** A hint that the queue has something new for these operators, or for any. */
  queued(operatorIds?: ReadonlySet<number>): void {
    for (const [operatorId, dispatch] of this.#running) {
      if (operatorIds?.has(operatorId) ?? true) dispatch.queued();
    }
  }

  /** This node has no epoch any more: every link is cut, and bound again under the next one. */
  loseLease(): void {
    for (const dispatch of this.#running.values()) void dispatch.cutLinks('the node lost its lease');
  }

  find(operatorId: number): OperatorDispatch | undefined {
    return this.#running.get(operatorId);
  }

  /** The node that accepts sends at once what this operator's links have room for. */
  readonly queueHolder = (operatorId: number): QueueHolder | undefined => this.#running.get(operatorId)?.holder();

  #follow(): void {
    if (this.#stopped) return;
    const wanted = new Map([...this.#context.directory.all()].map((operator) => [operator.operatorId, operator]));
    for (const [operatorId, running] of this.#running) {
      const operator = wanted.get(operatorId);
      if (!operator?.enabled || operator.version !== running.operator.version) this.#end(operatorId);
    }
    for (const [operatorId, operator] of wanted) {
      // One that runs goes on with the password that it has.
      const mayStart = operator.enabled && operator.passwordProblem === undefined;
      if (!mayStart || this.#running.has(operatorId) || this.#ending.has(operatorId)) continue;
      const dispatch = new OperatorDispatch(operator, this.#context);
      this.#running.set(operatorId, dispatch);
      dispatch.start();
    }
  }

  #end(operatorId: number): void {
    const dispatch = this.#running.get(operatorId);
    if (!dispatch) return;
    this.#running.delete(operatorId);
    const ending = dispatch
      .stop()
      .catch((error: unknown) => this.#context.log.error({ err: error }, 'an operator could not be stopped'))
      .finally(() => {
        this.#ending.delete(operatorId);
        this.#follow();
      });
    this.#ending.set(operatorId, ending);
  }
}
