/**
 * Puts an endpoint of the Voice API under its path: reads its parameters, writes its `resp=…` line (point 26), counts
 * it by code. The one place where what an endpoint throws is caught: -99.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Tally } from '../../base/metrics.ts';
import type { VoiceQueryCode, VoiceSendCode } from '../../domain/voice-codes.ts';
import { type Parameters, readParameters } from '../parameters.ts';
import { bodyOf, type EndpointServices, queryOf } from './api-endpoint.ts';

/**
 * An error code, or the fields of a good answer. `no-answer`: nobody knows what became of the request, so the
 * connection is closed without a word.
 */
export type VoiceAnswer = VoiceSendCode | VoiceQueryCode | readonly (string | number)[] | 'no-answer';

export interface VoiceEndpoint {
  answer(parameters: Parameters, request: IncomingMessage): Promise<VoiceAnswer>;
}

const OK = 200;
const SYSTEM_ERROR = '-99';

/** @param options.name as it is counted */
export function mountVoiceEndpoint(
  app: FastifyInstance,
  options: { path: string; name: string; endpoint: VoiceEndpoint },
  services: EndpointServices,
): void {
  const { name, endpoint } = options;
  const tallies = new Map<string, Tally>();
  const count = (code: string): void => {
    const tally = tallies.get(code) ?? services.metrics.answers.of(name, code);
    tallies.set(code, tally);
    tally.add();
  };
  const respond = async (request: FastifyRequest, response: ServerResponse): Promise<void> => {
    let answer: VoiceAnswer;
    try {
      const read = readParameters(queryOf(request), bodyOf(request));
      answer = await endpoint.answer(read instanceof Promise ? await read : read, request.raw);
    } catch (error) {
      services.log.error({ err: error }, 'a voice request could not be answered');
      answer = SYSTEM_ERROR;
    }
    count(typeof answer !== 'string' ? '0' : answer === 'no-answer' ? 'none' : answer);
    write(response, answer);
  };
  app.route({
    method: ['GET', 'POST'],
    url: options.path,
    // The answer goes to Node's response past Fastify's own serialisation, as the JSON endpoints' does.
    handler: (request, reply) => void respond(request, reply.raw),
  });
}

function write(response: ServerResponse, answer: VoiceAnswer): void {
  if (answer === 'no-answer') {
    response.destroy();
    return;
  }
  const body = `resp=${typeof answer === 'string' ? answer : answer.join(',')}`;
  response.writeHead(OK, ['Content-Type', 'text/html; charset=utf-8', 'Content-Length', String(body.length)]);
  response.end(body, 'latin1');
}
