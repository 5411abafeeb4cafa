/**
 * Keeps web pages of others away from the handsets, which have no login: a browser says from where it asks (`Origin`,
 * `Sec-Fetch-Site`), and by what name (`Host`), which a page that rebinds its own name to loopback can't choose.
 * Programs such as curl say none of it, and pass.
 */

export interface Asked {
  host: string | undefined;
  origin: string | undefined;
  /** `Sec-Fetch-Site`. */
  fetchSite: string | undefined;
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Why a request is refused; undefined when it may pass.
 * @param names by which the listener may be asked beside those of loopback; undefined allows every name
 */
export function originRefusal(asked: Asked, names: readonly string[] | undefined): string | undefined {
  const { host, origin, fetchSite } = asked;
  if (fetchSite === 'cross-site' || (origin !== undefined && !isSameHost(origin, host))) {
    return 'a web page of another site may not use the simulator';
  }
  // HTTP/1.0 knows none; browsers always send one.
  if (names === undefined || host === undefined) return undefined;
  const name = URL.parse(`http://${host}`)?.hostname ?? '';
  if (LOOPBACK.test(name) || names.some((own) => hostnameOf(own) === name)) return undefined;
  return 'ask for localhost, a loopback address or HTTP_HOST, or set SANDBOX_PUBLIC=yes';
}

function isSameHost(origin: string, host: string | undefined): boolean {
  const from = URL.parse(origin);
  // `null` is the origin of sandboxed frames and files: no URL. The scheme decides which port needs no naming.
  return from !== null && host !== undefined && URL.parse(`${from.protocol}//${host}`)?.host === from.host;
}

function hostnameOf(own: string): string | undefined {
  return URL.parse(`http://${own.includes(':') ? `[${own}]` : own}`)?.hostname;
}
