/** A customer's HTTP server on a real port: what it was asked, how many at once, and answers as the test says. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type CustomerAnswer = (response: ServerResponse, url: string) => void;

export interface CustomerServer {
  /** http://127.0.0.1:port/r */
  readonly url: string;
  readonly requests: readonly string[];
  /** Responses not given yet, while there is no answer to give. */
  readonly held: ServerResponse[];
  readonly state: { open: number; most: number };
  /** Resolves once so many requests have come. */
  asked(times: number): Promise<void>;
  stop(): Promise<void>;
}

/** `answer` undefined keeps every request waiting. */
export async function startCustomerServer(answer?: CustomerAnswer): Promise<CustomerServer> {
  const requests: string[] = [];
  const held: ServerResponse[] = [];
  const state = { open: 0, most: 0 };
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    state.open += 1;
    state.most = Math.max(state.most, state.open);
    response.on('close', () => {
      state.open -= 1;
    });
    if (answer) answer(response, request.url ?? '');
    else held.push(response);
    server.emit('asked');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/r`,
    requests,
    held,
    state,
    asked: async (times) => {
      while (requests.length < times) await once(server, 'asked');
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
