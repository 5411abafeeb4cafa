/**
 * Opens sockets to hosts that customers named: resolves the name, keeps only the addresses the rules allow and
 * connects to exactly those, so that a second answer of the name server can't slip past the check. TLS is
 * verified against the name in the URL.
 */
import net from 'node:net';
import tls from 'node:tls';
import type { AddressRules } from './address-rules.ts';
import { literalAddress } from './address-rules.ts';
import type { NameLookup } from './name-lookup.ts';

/** Before the next address of the same name is tried; Node's 250 ms is too short for a far host's SYN. */
const NEXT_ADDRESS_AFTER_MS = 2_000;
const MAX_ADDRESSES = 8;

/** No address of the host may be contacted. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
}

export interface Target {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
}

export interface CheckedConnectOptions {
  readonly rules: AddressRules;
  readonly names: NameLookup;
  /** Certificates trusted instead of the well-known authorities. */
  readonly ca?: string;
}

async function allowedAddresses(target: Target, { rules, names }: CheckedConnectOptions) {
  const addresses = (await names.resolve(target.hostname)).filter(({ address }) =>
    rules.isAllowed(address, target.port),
  );
  if (addresses.length === 0) throw new ForbiddenAddressError('no address of this name may be contacted');
  return addresses.slice(0, MAX_ADDRESSES);
}

/** The `lookup` of a socket: gives it the checked addresses and nothing else. */
function checkedLookup(target: Target, options: CheckedConnectOptions): net.LookupFunction {
  return (_hostname, lookupOptions, give) => {
    allowedAddresses(target, options).then(
      (addresses) => {
        const [first] = addresses;
        if (lookupOptions.all || first === undefined) give(null, addresses);
        else give(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => give(error, []),
    );
  };
}

/**
 * Starts connecting and returns the socket at once, so that the caller can destroy it; `done` is called once.
 * Has no time-out of its own.
 */
export function checkedConnect(
  target: Target,
  options: CheckedConnectOptions,
  done: (error: Error | null, socket: net.Socket | null) => void,
): net.Socket | undefined {
  const literal = literalAddress(target.hostname);
  if (literal !== undefined && !options.rules.isAllowed(literal, target.port)) {
    done(new ForbiddenAddressError('this address may not be contacted'), null);
    return undefined;
  }
  const where = {
    host: literal ?? target.hostname,
    port: target.port,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
    ...(literal === undefined && { lookup: checkedLookup(target, options) }),
  };
  const socket = target.secure
    ? tls.connect({
        ...where,
        // RFC 6066 §3: an address is not a server name; the certificate is then checked against the address.
        ...(literal === undefined && { servername: target.hostname }),
        ...(options.ca !== undefined && { ca: options.ca }),
        ALPNProtocols: ['http/1.1'],
      })
    : net.connect(where);
  socket.setNoDelay(true);
  let pending = true;
  const finish = (error: Error | null) => {
    if (!pending) return;
    pending = false;
    done(error, error ? null : socket);
  };
  socket.once(target.secure ? 'secureConnect' : 'connect', () => finish(null));
  socket.once('error', finish);
  socket.once('close', () => finish(new Error('closed while connecting')));
  return socket;
}
