/**
 * TLS towards operators and trunks: which certificate is accepted, and in one line why one was not. The name that it
 * has to carry is the configured one, else the host that is connected to; nothing here leaves a certificate unchecked.
 */
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';

export interface TlsTrust {
  /** PEM; what Node brings is trusted without it. */
  ca?: string | Buffer;
  /** A host name or an address. */
  servername?: string;
  rejectUnauthorized?: boolean;
}

/**
 * OpenSSL's verdicts on a chain that ends in nothing that is trusted (X509_STORE_CTX_get_error(3)), nor in an authority
 * of the same name with another key.
 */
const UNTRUSTED: ReadonlySet<unknown> = new Set([
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** For `tls.connect`, whatever address it is given. A name is asked for by SNI too, which Node leaves out by itself. */
export function tlsClientOptions(host: string, trust: TlsTrust): ConnectionOptions {
  const { ca, servername = host, rejectUnauthorized = true } = trust;
  return {
    rejectUnauthorized,
    ...(ca === undefined ? {} : { ca }),
    // RFC 6066 §3 has no addresses in SNI, and Node throws at one; in a certificate they stand.
    ...(isIP(servername) === 0
      ? { servername }
      : { checkServerIdentity: (_, certificate) => checkServerIdentity(servername, certificate) }),
  };
}

/** One line without the places in OpenSSL's source, and without the advice that Node gives on its own command line. */
export function socketFault(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, library, reason } = error as Error & { code?: unknown; library?: unknown; reason?: unknown };
  if (UNTRUSTED.has(code)) return `the certificate is not trusted: ${error.message.split(';', 1)[0] ?? ''}`;
  if (library === 'SSL routines' && typeof reason === 'string') return `TLS: ${reason}`;
  return error.message;
}
