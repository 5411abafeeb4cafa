/**
 * What the request line may be. Node's parser hands over a line without a version (`GET /path`, as in HTTP/0.9) and one
 * of HTTP/2.0 like any other, so a line that was cut short would be charged: both are refused. A URL in absolute form,
 * which every server has to take (RFC 9112 §3.2.2), becomes the path and query that the routes know.
 */
import type { IncomingMessage } from 'node:http';

const SLASH = 0x2f;
const SCHEME_AND_HOST = /^https?:\/\/([^/?#]*)/i;

/** To Node's parser a line without a version is of 0.9. */
export function isHttp1({ httpVersionMajor }: Pick<IncomingMessage, 'httpVersionMajor'>): boolean {
  return httpVersionMajor === 1;
}

/** Changes the request: the URL's host takes the place of the Host header, as the same paragraph asks. */
export function toOriginForm(request: Pick<IncomingMessage, 'url' | 'headers'>): void {
  const { url } = request;
  if (url === undefined || url.charCodeAt(0) === SLASH) return;
  const found = SCHEME_AND_HOST.exec(url);
  if (found === null) return;
  const rest = url.slice(found[0].length);
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  request.headers.host = found[1] ?? '';
}
