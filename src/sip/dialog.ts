/**
 * Dialogs (RFC 3261 §12): made from a response or a request, they say what a later request of the same call looks
 * like and where it goes. State only: nothing is sent here.
 */
import type { Flow, FlowTarget, TransportName } from './flow.ts';
import {
  DEFAULT_PORT,
  DEFAULT_TLS_PORT,
  headerListOf,
  hostPort,
  type MessageIdentity,
  parseNameAddress,
  parseUri,
  type SipUri,
} from './header-values.ts';
import { NO_BODY, type SipHeader, type SipMessage, type SipRequest, type SipResponse } from './message.ts';

export interface Dialog {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly localUri: string;
  readonly remoteUri: string;
  /** Values of Record-Route in the order in which our requests pass them. */
  readonly routeSet: readonly string[];
  /** The peer's Contact; a re-INVITE or UPDATE may move it (§12.2). */
  remoteTarget: string;
  /** Of our last request. */
  localCseq: number;
  /** Of the peer's last request; undefined before its first. */
  remoteCseq: number | undefined;
}

/** §12.1.2: the caller's view, from a response with a tag to its INVITE. */
export function dialogOfResponse(invite: SipRequest, response: SipResponse, identity: MessageIdentity): Dialog {
  return {
    callId: identity.callId,
    localTag: identity.fromTag,
    remoteTag: identity.toTag,
    localUri: identity.from.uri,
    remoteUri: identity.to.uri,
    routeSet: headerListOf(response, 'Record-Route').toReversed(),
    // A 2xx without a Contact is wrong; the way the INVITE went is the best guess left.
    remoteTarget: contactOf(response) ?? invite.uri,
    localCseq: identity.cseq,
    remoteCseq: undefined,
  };
}

/** §12.1.1: the callee's view, from an INVITE. */
export function dialogOfRequest(invite: SipRequest, identity: MessageIdentity, localTag: string): Dialog {
  return {
    callId: identity.callId,
    localTag,
    remoteTag: identity.fromTag,
    localUri: identity.to.uri,
    remoteUri: identity.from.uri,
    routeSet: headerListOf(invite, 'Record-Route'),
    remoteTarget: contactOf(invite) ?? identity.from.uri,
    localCseq: 0,
    remoteCseq: identity.cseq,
  };
}

/** The URI of Contact when it is one that we can send to. */
export function contactOf(message: SipMessage): string | undefined {
  const uri = parseNameAddress(headerListOf(message, 'Contact')[0] ?? '')?.uri;
  return uri !== undefined && parseUri(uri) !== undefined ? uri : undefined;
}

export interface DialogRequest {
  method: string;
  /** The INVITE's own for its ACK; by default the next one of the dialog. */
  cseq?: number;
  headers?: readonly SipHeader[];
  body?: Buffer;
}

/** §12.2.1.1, without the Via; counts CSeq. */
export function requestWithin(
  dialog: Dialog,
  { method, cseq, headers = [], body = NO_BODY }: DialogRequest,
): SipRequest {
  if (cseq === undefined) dialog.localCseq += 1;
  const { uri, routes } = routing(dialog);
  return {
    kind: 'request',
    method,
    uri,
    headers: [
      ...routes.map((value) => ({ name: 'Route', value })),
      { name: 'Max-Forwards', value: '70' },
      { name: 'From', value: `<${dialog.localUri}>;tag=${dialog.localTag}` },
      { name: 'To', value: `<${dialog.remoteUri}>${dialog.remoteTag === '' ? '' : `;tag=${dialog.remoteTag}`}` },
      { name: 'Call-ID', value: dialog.callId },
      { name: 'CSeq', value: `${cseq ?? dialog.localCseq} ${method}` },
      ...headers,
    ],
    body,
  };
}

function routing(dialog: Dialog): { uri: string; routes: readonly string[] } {
  const [first, ...others] = dialog.routeSet;
  const firstUri = first === undefined ? undefined : parseNameAddress(first)?.uri;
  if (first === undefined || firstUri === undefined) return { uri: dialog.remoteTarget, routes: [] };
  if (parseUri(firstUri)?.parameters.has('lr')) return { uri: dialog.remoteTarget, routes: dialog.routeSet };
  // A strict router takes its own address as the Request-URI and the target as the last route.
  return { uri: firstUri, routes: [...others, `<${dialog.remoteTarget}>`] };
}

/** The URI to which a request of this dialog is sent first (§8.1.2): the topmost route, or the target. */
export function nextHop(dialog: Dialog): SipUri | undefined {
  const [first] = dialog.routeSet;
  return parseUri((first === undefined ? undefined : parseNameAddress(first)?.uri) ?? dialog.remoteTarget);
}

/** Where a URI leads; undefined when the call's own flow leads there. */
export function targetBeside(flow: Flow, uri: SipUri, tls: FlowTarget['tls']): FlowTarget | undefined {
  const named = uri.parameters.get('transport')?.toLowerCase();
  const asked: TransportName | undefined =
    uri.scheme === 'sips' || named === 'tls' ? 'tls' : named === 'tcp' || named === 'udp' ? named : undefined;
  const defaultPort = (asked ?? flow.transport) === 'tls' ? DEFAULT_TLS_PORT : DEFAULT_PORT;
  const port = uri.port ?? defaultPort;
  const host = uri.host.toLowerCase();
  const sameHost = host === flow.remote.address.toLowerCase() || host === flow.host.toLowerCase();
  // Many peers leave the transport out of a Contact although they speak TCP: the flow that is there counts.
  if (sameHost && port === flow.remote.port && (asked ?? flow.transport) === flow.transport && flow.open)
    return undefined;
  // RFC 3263 §4.1: UDP where nothing else is said.
  const transport = asked ?? (sameHost ? flow.transport : 'udp');
  return { transport, host: uri.host, port, ...(transport === 'tls' && tls !== undefined ? { tls } : {}) };
}

/** Our Contact on this flow (§8.1.1.8). */
export function contactHeader(flow: Flow, user: string): SipHeader {
  const parameter = flow.transport === 'udp' ? '' : `;transport=${flow.transport}`;
  const name = user === '' ? '' : `${user}@`;
  return { name: 'Contact', value: `<sip:${name}${hostPort(flow.local.address, flow.local.port)}${parameter}>` };
}
