/**
 * The simulated operator as a process of its own: SMPP on one loopback port, the telephones' SIP on another if asked
 * for, the handsets' HTTP on a third.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../base/log.ts';
import { SimulatedTelephone } from './callee.ts';
import type { HandsetAnswer } from './handset-answers.ts';
import { type HandsetRequest, handsetRoutes, MAX_BODY_BYTES } from './routes.ts';
import { SimulatedOperator, type SimulatedOperatorOptions } from './smsc.ts';

export interface RunningSimulator {
  operator: SimulatedOperator;
  telephone: SimulatedTelephone | undefined;
  smppPort: number;
  sipPort: number | undefined;
  httpPort: number;
  stop(): Promise<void>;
}

const EVERYWHERE = ['0.0.0.0', '::'];

type Routes = (request: HandsetRequest) => Promise<HandsetAnswer>;
type Options = SimulatedOperatorOptions & { httpPort: number; sipPort?: number };

/**
 * Resolves once every port listens; rejects, with nothing left behind, when one cannot.
 * @param options.httpPort of the handsets, on the operator's host; 0 takes a free one
 * @param options.sipPort of the telephones, UDP and TCP; 0 takes a free one, absent leaves them out
 */
export async function runSimulator(options: Options): Promise<RunningSimulator> {
  const operator = new SimulatedOperator(options);
  const { port: smppPort } = await operator.start();
  let telephone: SimulatedTelephone | undefined;
  try {
    const started = await startTelephone(options);
    telephone = started?.telephone;
    const routes = handsetRoutes({ operator, calls: telephone?.calls, hostNames: namesOf(options.host) });
    const http = await listen(routes, options);
    const stop = async (): Promise<void> => {
      const closed = new Promise((resolve) => http.close(resolve));
      operator.handsets.stop();
      telephone?.calls.stop();
      http.closeIdleConnections();
      await operator.stop();
      await telephone?.stop();
      http.closeAllConnections();
      await closed;
    };
    const httpPort = (http.address() as AddressInfo).port;
    return { operator, telephone, smppPort, sipPort: started?.port, httpPort, stop };
  } catch (error) {
    await operator.stop();
    await telephone?.stop();
    throw error;
  }
}

/** Whoever listens everywhere is asked by names that only the network knows. */
function namesOf(host: string): readonly string[] | undefined {
  return EVERYWHERE.includes(host) ? undefined : [host];
}

async function startTelephone(options: Options): Promise<{ telephone: SimulatedTelephone; port: number } | undefined> {
  const { host, sipPort, clock, log, dataDir } = options;
  if (sipPort === undefined) return undefined;
  const telephone = new SimulatedTelephone({ host, port: sipPort, clock, log, dataDir });
  const { port } = await telephone.start();
  return { telephone, port };
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
  const answer = await routes({ method: request.method ?? 'GET', path, query, headers: request.headers, body });
  response.writeHead(answer.status, { 'content-type': answer.contentType ?? 'application/json; charset=utf-8' });
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
