/**
 * What a message shows as its sender to an operator (SMPP 3.4 §5.2.5, §5.2.6). An account's own address says by its
 * form what type of number it is: the operator's setting describes the operator's address, and would call a name a
 * number.
 */
import type { OperatorSettings } from './operator-settings.ts';

export interface SourceAddress {
  readonly ton: number;
  readonly npi: number;
  readonly digits: string;
}

const INTERNATIONAL = { ton: 1, npi: 1 } as const;
const ALPHANUMERIC = { ton: 5, npi: 0 } as const;

const NUMBER = /^\+?\d+$/;
/** E.164: with a plus sign, or so long that it is neither a short code nor a service number. */
const E164 = /^(?:\+[1-9]\d{6,14}|[1-9]\d{9,14})$/;

/** @param accountsOwn undefined: the operator's is shown */
export function sourceAddressOf(
  accountsOwn: string | undefined,
  settings: Pick<OperatorSettings, 'sourceAddress' | 'sourceTon' | 'sourceNpi'>,
): SourceAddress {
  const operators = { ton: settings.sourceTon, npi: settings.sourceNpi };
  if (accountsOwn === undefined) return { ...operators, digits: settings.sourceAddress };
  if (!NUMBER.test(accountsOwn)) return { ...ALPHANUMERIC, digits: accountsOwn };
  // TON 1 says what the plus sign says.
  if (E164.test(accountsOwn)) return { ...INTERNATIONAL, digits: accountsOwn.replace('+', '') };
  return { ...operators, digits: accountsOwn };
}
