/**
 * /healthz: everything that a request needs is up. /readyz: in addition, new requests are wanted; false once a stop
 * begins.
 */
import type { FastifyInstance } from 'fastify';

const OK = 200;
const UNAVAILABLE = 503;

export function mountHealth(app: FastifyInstance, state: { ready: () => boolean; stopping: () => boolean }): void {
  const report = (path: string, isGood: () => boolean): void => {
    app.get(path, (_request, reply) => {
      const good = isGood();
      return reply
        .code(good ? OK : UNAVAILABLE)
        .type('text/plain; charset=utf-8')
        .send(good ? 'ok\n' : 'unavailable\n');
    });
  };
  report('/healthz', () => state.ready());
  report('/readyz', () => state.ready() && !state.stopping());
}
