/**
 * The routes and what holds for all of them: which methods, how large a body, what an unknown path gets. Knows no
 * socket. The query string is handed on raw and never logged.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { Authenticator, type HashListener } from './authenticate.ts';
import { ClientAddresses } from './client-address.ts';
import { mendContentType } from './content-type.ts';
import { mountEndpoint } from './routes/api-endpoint.ts';
import { mountHealth } from './routes/health.ts';
import { mountRoutes } from './routes/mounted.ts';
import { SmsQuery } from './routes/sms-query.ts';
import { SmsSend } from './routes/sms-send.ts';
import { SmsmoQuery } from './routes/smsmo-query.ts';
import { mountVoiceEndpoint } from './routes/voice-endpoint.ts';
import { VoiceQuery } from './routes/voice-query.ts';
import { VoiceSend } from './routes/voice-send.ts';
import type { HttpServices } from './services.ts';

const MAX_BODY_BYTES = 1_048_576;
const BAD_REQUEST = 400;
const NOT_FOUND = 404;
const METHOD_NOT_ALLOWED = 405;
const SERVER_FAULT = 500;
/** The method that Fastify answers with 400 when it has no body, before it looks for a route. */
const BODY_WANTED = 'QUERY';
const API_PATHS = ['/json/sms_send.php', '/json/sms_query.php', '/json/smsmo_query.php'];
const VOICE_PATHS = ['/send_voice.php', '/query_voice.php'];
const HEALTH_PATHS = ['/healthz', '/readyz'];

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** What the routes ask of the server that they are mounted on, and tell it. */
export interface ServerHooks {
  isStopping: () => boolean;
  /** A client was verified on this connection. */
  onVerified: (connection: Socket) => void;
}

/** Builds the routes; requests may be handled as soon as the promise is there. */
export async function createApplication(services: HttpServices, server: ServerHooks): Promise<RequestHandler> {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    exposeHeadRoutes: false,
    requestIdHeader: false,
    // A path that can't be decoded; Fastify's own answer repeats it, query string and password with it.
    frameworkErrors: (_error, _request, reply) => {
      reply.raw.writeHead(BAD_REQUEST, { Connection: 'close', 'Content-Length': '0' }).end();
    },
    routerOptions: { querystringParser: (raw) => raw as unknown as Record<string, unknown> },
  });
  // Bodies stay bytes, whatever they claim to be; parameters.ts reads those it knows.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  refuseTheRest(app, services);
  const addresses = new ClientAddresses({ trustedProxies: services.config.trustedProxies });
  const { accounts, metrics } = services;
  const onHash: HashListener = (result) => metrics.passwordHashes.of(result).add();
  const authenticator = new Authenticator({ accounts, addresses, onHash, onVerified: server.onVerified });
  const endpoints = [
    { name: 'sms_send', endpoint: new SmsSend(services, authenticator) },
    { name: 'sms_query', endpoint: new SmsQuery(services, authenticator) },
    { name: 'smsmo_query', endpoint: new SmsmoQuery(services, authenticator) },
  ];
  for (const { name, endpoint } of endpoints) {
    mountEndpoint(app, { path: `/json/${name}.php`, name, endpoint }, services);
  }
  if (services.voice !== undefined) {
    const { voice } = services;
    const send = new VoiceSend({ ...services, ...voice }, authenticator);
    mountVoiceEndpoint(app, { path: '/send_voice.php', name: 'send_voice', endpoint: send }, services);
    const query = new VoiceQuery(voice, authenticator);
    mountVoiceEndpoint(app, { path: '/query_voice.php', name: 'query_voice', endpoint: query }, services);
  }
  mountHealth(app, { ready: services.ready, stopping: server.isStopping });
  if (services.mount !== undefined) mountRoutes(app, services.mount);
  await app.ready();
  return (request, response) => {
    if (request.method === BODY_WANTED) {
      response.writeHead(METHOD_NOT_ALLOWED, { Allow: 'GET, POST', Connection: 'close', 'Content-Length': '0' }).end();
      return;
    }
    // Node makes the headers when they are first asked for, which a GET need not pay for: 5 to 10 µs.
    if (request.method !== 'GET') mendContentType(request.headers);
    app.routing(request, response);
  };
}

/** Unknown paths, other methods, broken bodies, faults. */
function refuseTheRest(app: FastifyInstance, services: HttpServices): void {
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = allowedMethods(path, services);
    if (allowed !== undefined) return reply.code(METHOD_NOT_ALLOWED).header('Allow', allowed).send();
    return reply.code(NOT_FOUND).type('text/plain; charset=utf-8').send('not found\n');
  });
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? SERVER_FAULT;
    if (status >= SERVER_FAULT) services.log.error({ err: error }, 'a request could not be handled');
    return reply.code(status).header('Connection', 'close').send();
  });
}

function allowedMethods(path: string, { mount, voice }: HttpServices): string | undefined {
  if (API_PATHS.includes(path) || (voice !== undefined && VOICE_PATHS.includes(path))) return 'GET, POST';
  if (HEALTH_PATHS.includes(path)) return 'GET';
  return mount !== undefined && path.startsWith(mount.prefix) ? 'GET, POST, PUT, DELETE' : undefined;
}
