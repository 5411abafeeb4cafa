/**
 * Puts an endpoint of the API under its path: reads its parameters, writes its answer, counts it by code. The one
 * place where what an endpoint throws is caught: 99999, unless the endpoint knows better.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from '../../base/log.ts';
import type { Metrics, Tally } from '../../base/metrics.ts';
import { CODES, type Code } from '../../domain/codes.ts';
import { type Answer, fixedAnswer, writeAnswer } from '../answer.ts';
import { type Parameters, readParameters } from '../parameters.ts';

export interface ApiEndpoint {
  answer(parameters: Parameters, request: IncomingMessage): Promise<Answer>;
}

export interface EndpointServices {
  log: Logger;
  metrics: Pick<Metrics, 'answers'>;
}

/** @param options.name as it is counted */
export function mountEndpoint(
  app: FastifyInstance,
  options: { path: string; name: string; endpoint: ApiEndpoint },
  services: EndpointServices,
): void {
  const { name, endpoint } = options;
  const tallies = new Map<Code | 'none', Tally>();
  for (const code of [...(Object.keys(CODES) as Code[]), 'none' as const]) {
    tallies.set(code, services.metrics.answers.of(name, code));
  }
  const respond = async (request: FastifyRequest, response: ServerResponse): Promise<void> => {
    let answer: Answer;
    try {
      const read = readParameters(queryOf(request), bodyOf(request));
      answer = await endpoint.answer(read instanceof Promise ? await read : read, request.raw);
    } catch (error) {
      services.log.error({ err: error }, 'a request could not be answered');
      answer = fixedAnswer('99999');
    }
    tallies.get(answer === 'no-answer' ? 'none' : answer.code)?.add();
    writeAnswer(response, answer);
  };
  app.route({
    method: ['GET', 'POST'],
    url: options.path,
    // The answer goes to Node's response past Fastify's own serialisation: its body and headers are ready-made.
    handler: (request, reply) => void respond(request, reply.raw),
  });
}

/** The raw query string: the server leaves it as it is. */
export function queryOf(request: FastifyRequest): string {
  return request.query as string;
}

/** The body as it came. */
export function bodyOf(request: FastifyRequest): { contentType: string | undefined; bytes: Buffer } | undefined {
  const bytes = request.body;
  return Buffer.isBuffer(bytes) ? { contentType: request.headers['content-type'], bytes } : undefined;
}
