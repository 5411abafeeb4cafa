/** What passed on each connection to the operator: when a submit went out and over which, and how many were bound at once. */
import { FrameReader } from '../../src/smpp/framing.ts';
import { COMMAND, STATUS } from '../../src/smpp/pdu.ts';
import type { Splice } from '../faults/fault-proxy.ts';

export interface PassedSubmit {
  /** By this machine's clock. */
  readonly atMs: number;
  /** Counted from 1 as they connect. */
  readonly connection: number;
}

const BOUND: readonly number[] = [
  COMMAND.bind_receiver_resp,
  COMMAND.bind_transmitter_resp,
  COMMAND.bind_transceiver_resp,
];

export class OperatorLinks {
  readonly submits: PassedSubmit[] = [];
  readonly #bound = new Set<number>();
  #connections = 0;
  #mostBound = 0;

  get mostBound(): number {
    return this.#mostBound;
  }

  /** For a world's `watch`. */
  watch(operator: Splice): Splice {
    this.#connections += 1;
    const connection = this.#connections;
    const fromNode = new FrameReader();
    const fromOperator = new FrameReader();
    return {
      fromClient: (bytes) => {
        for (const frame of fromNode.feed(bytes).frames) {
          if (frame.readUInt32BE(4) === COMMAND.submit_sm) this.submits.push({ atMs: Date.now(), connection });
        }
        operator.fromClient(bytes);
      },
      fromServer: (bytes) => {
        for (const frame of fromOperator.feed(bytes).frames) this.#heard(frame, connection);
        operator.fromServer(bytes);
      },
      ended: () => {
        this.#bound.delete(connection);
        operator.ended?.();
      },
    };
  }

  #heard(frame: Buffer, connection: number): void {
    const command = frame.readUInt32BE(4);
    if (command === COMMAND.unbind_resp) this.#bound.delete(connection);
    if (!BOUND.includes(command) || frame.readUInt32BE(8) !== STATUS.ESME_ROK) return;
    this.#bound.add(connection);
    this.#mostBound = Math.max(this.#mostBound, this.#bound.size);
  }
}
