/** /metrics for Prometheus, on a port of its own that main binds to a loopback address; nothing else is there. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from '../base/metrics.ts';

/** Scrapers need one; more that are left open would take descriptors from everything else. */
const MAX_CONNECTIONS = 64;
const OK = 200;
const NOT_FOUND = 404;
const SERVER_FAULT = 500;

export class MetricsServer {
  readonly #metrics: Pick<Metrics, 'registry'>;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  constructor(metrics: Pick<Metrics, 'registry'>) {
    this.#metrics = metrics;
  }

  /** Port 0 takes any free one. Rejects when the port cannot be had. */
  async listen(where: { host: string; port: number }): Promise<void> {
    this.#server.maxConnections = MAX_CONNECTIONS;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(where, () => {
      this.#server.off('error', reject);
      resolve();
    });
    await promise;
  }

  /** Undefined while it does not listen. */
  address(): { address: string; port: number } | undefined {
    return (this.#server.address() as AddressInfo | null) ?? undefined;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isMetrics = request.method === 'GET' && request.url?.split('?', 1)[0] === '/metrics';
    try {
      const { registry } = this.#metrics;
      const body = isMetrics ? await registry.metrics() : 'not found\n';
      response.writeHead(isMetrics ? OK : NOT_FOUND, {
        'Content-Type': isMetrics ? registry.contentType : 'text/plain',
      });
      response.end(body);
    } catch {
      response.writeHead(SERVER_FAULT).end();
    }
  }
}
