/**
 * Refuses a push URL whose host is a literal address that the platform would never call, when it is set rather than by
 * pushes that fail for 24 hours. Names, and the ports of the platform itself, are judged when they are called.
 */
import { CommandFailure, EXIT_USAGE } from './failure.ts';
import { requireConfig } from './platform.ts';

/** @param url an http or https URL; empty and absent ones pass */
export async function refuseForbiddenPush(url: string | undefined): Promise<void> {
  const parsed = URL.parse(url ?? '');
  if (parsed === null) return;
  const { AddressRules, literalAddress } = await import('../outgoing/address-rules.ts');
  const address = literalAddress(parsed.hostname);
  if (address === undefined) return;
  const { callbackAllow } = await requireConfig();
  const rules = new AddressRules({ allow: callbackAllow, platformListeners: () => [] });
  if (rules.literalVerdict(parsed) !== 'forbidden') return;
  throw new CommandFailure(
    `--incoming-url: ${address} is not a global unicast address, so nothing would ever be pushed there; give another, or open it with CALLBACK_ALLOW on every node and here`,
    EXIT_USAGE,
  );
}
