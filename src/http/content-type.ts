/**
 * Fastify answers 415 where a Content-Type is no media type (`utf-8`, empty, two in one), before the endpoint is asked.
 * The contract answers with 200 and a code (spec README point 9), and the parameters of such a POST often stand in its
 * query string: to the routes its body is of a type without parameters, and an empty Content-Type is none.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** RFC 9110 §8.3.1, as far as Fastify looks. */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[ \t]*(?:;|$)/;
const BYTES = 'application/octet-stream';

/** Changes the headers. */
export function mendContentType(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'];
  if (type === undefined || MEDIA_TYPE.test(type)) return;
  if (type === '') delete headers['content-type'];
  else headers['content-type'] = BYTES;
}
