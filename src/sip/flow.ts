/**
 * A way to one peer: a TCP or TLS connection, or the UDP socket and an address. The layers above send through it
 * without caring which it is.
 */

export type TransportName = 'udp' | 'tcp' | 'tls';

export interface Flow {
  readonly transport: TransportName;
  /** Nothing is retransmitted over TCP and TLS (RFC 3261 §17.1.1.2). */
  readonly reliable: boolean;
  /** The name or address that was given for the peer. */
  readonly host: string;
  readonly remote: { readonly address: string; readonly port: number };
  /** Where the peer can reach us: for Via and Contact. */
  readonly local: { readonly address: string; readonly port: number };
  readonly open: boolean;
  /** Datagrams only: the same peer at another port. */
  towards(port: number): Flow;
  /** `failed` is called, perhaps at once, when the bytes surely did not leave. */
  send(bytes: Buffer, failed: (reason: string) => void): void;
}

export interface FlowHandlers {
  /** A datagram, or one message of a stream. */
  onBytes(bytes: Buffer, flow: Flow): void;
  /** Streams only, once. */
  onClosed(flow: Flow, reason: string): void;
}

export interface FlowTarget {
  transport: TransportName;
  /** A name or an address. */
  host: string;
  port: number;
  /** PEM authorities, the name to verify, and whether to verify at all (by default yes). */
  tls?: { ca?: string; servername?: string; rejectUnauthorized?: boolean };
}

/** The `transport` parameter and the Via's word for it (§18.1.1, §26.2.2). */
export function viaTransport(flow: Flow): 'UDP' | 'TCP' | 'TLS' {
  if (flow.transport === 'udp') return 'UDP';
  return flow.transport === 'tcp' ? 'TCP' : 'TLS';
}
