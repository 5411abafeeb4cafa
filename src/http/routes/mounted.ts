/** The routes of a `Mount`, such as the simulator's handsets: answers over the same port, none of the API's rules. */
import type { FastifyInstance } from 'fastify';
import type { Mount } from '../services.ts';
import { queryOf } from './api-endpoint.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

export function mountRoutes(app: FastifyInstance, mount: Mount): void {
  app.route({
    method: ['GET', 'POST', 'PUT', 'DELETE'],
    url: `${mount.prefix}*`,
    handler: async (request, reply) => {
      const {
        status,
        body,
        contentType = JSON_TYPE,
      } = await mount.handle({
        method: request.method,
        path: request.url.split('?', 1)[0] ?? '',
        query: new URLSearchParams(queryOf(request)),
        headers: request.headers,
        body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
      });
      return reply.code(status).type(contentType).send(body);
    },
  });
}
