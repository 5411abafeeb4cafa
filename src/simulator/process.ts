/**
 * The simulated operator as a process of its own: SMPP on one loopback port, the handsets' HTTP on another.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../base/log.ts';
import { type HandsetAnswer, type HandsetRequest, handsetRoutes, MAX_BODY_BYTES } from './routes.ts';
import { SimulatedOperator, type SimulatedOperatorOptions } from './smsc.ts';

export interface RunningSimulator {
  operator: SimulatedOperator;
  smppPort: number;
  httpPort: number;
  stop(): Promise<void>;
}

type Routes = (request: HandsetRequest) => Promise<HandsetAnswer>;

/**
 * Resolves once both ports listen; rejects, with nothing left behind, when one cannot.
 * @param options.httpPort of the handsets, on the operator's host; 0 takes a free one
 */
export async function runSimulator(
  options: SimulatedOperatorOptions & { httpPort: number },
): Promise<RunningSimulator> {
  const operator = new SimulatedOperator(options);
  const { port: smppPort } = await operator.start();
  try {
    const http = await listen(handsetRoutes(operator), options);
    const stop = async (): Promise<void> => {
      const closed = new Promise((resolve) => http.close(resolve));
      operator.handsets.stop();
      http.closeIdleConnections();
      await operator.stop();
      http.closeAllConnections();
      await closed;
    };
    return { operator, smppPort, httpPort: (http.address() as AddressInfo).port, stop };
  } catch (error) {
    await operator.stop();
    throw error;
  }
}

function listen(routes: Routes, options: { host: string; httpPort: number; log: Logger }): Promise<Server> {
  const server = createServer((request, response) => {
    serve(routes, request, response).catch((error: unknown) => {
      // Also a client that went away in the middle of its body.
      options.log.debug({ err: error }, 'simulated operator: request failed');
      response.destroy();
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.httpPort, options.host, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

async function serve(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1));
  const body = await readBody(request);
  const answer = await routes({ method: request.method ?? 'GET', path, query, body });
  response.writeHead(answer.status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(answer.body);
}

/** Stops keeping what comes after the limit; one byte beyond it tells the routes that it was too much. */
async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
    length += chunk.length;
  }
  return Buffer.concat(chunks);
}
