/**
 * Which operators may carry a number, and in what order: the longest matching prefix first, then the lower priority
 * number, then the lower id. It knows nothing of links but what it is told.
 */

export interface RouteCandidate {
  operatorId: number;
  /** E.164 prefixes; the empty one matches every number. */
  prefixes: readonly string[];
  /** Lower comes first. */
  priority: number;
  enabled: boolean;
}

interface Match {
  operator: RouteCandidate;
  prefixDigits: number;
}

const NO_MATCH = -1;

/** Ids of the enabled operators that match the number, best first. */
export function routesFor(e164: string, operators: readonly RouteCandidate[]): number[] {
  const matches: Match[] = [];
  for (const operator of operators) {
    const prefixDigits = operator.enabled ? longestMatch(e164, operator.prefixes) : NO_MATCH;
    if (prefixDigits !== NO_MATCH) matches.push({ operator, prefixDigits });
  }
  if (matches.length > 1) matches.sort(byPreference);
  return matches.map(({ operator }) => operator.operatorId);
}

function longestMatch(e164: string, prefixes: readonly string[]): number {
  let longest = NO_MATCH;
  for (const prefix of prefixes) {
    if (prefix.length > longest && e164.startsWith(prefix)) longest = prefix.length;
  }
  return longest;
}

function byPreference(a: Match, b: Match): number {
  return (
    b.prefixDigits - a.prefixDigits ||
    a.operator.priority - b.operator.priority ||
    a.operator.operatorId - b.operator.operatorId
  );
}

/**
 * The first of `routesFor` whose links are up. With all of them down, the first: its queue is where the message waits.
 * Undefined when no operator matches.
 */
export function chooseOperator(
  e164: string,
  operators: readonly RouteCandidate[],
  isUp: (operatorId: number) => boolean,
): number | undefined {
  const routes = routesFor(e164, operators);
  return routes.find(isUp) ?? routes[0];
}
