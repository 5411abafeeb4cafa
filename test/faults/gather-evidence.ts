/** Asks everybody who knows something of the run: the database, the customer, the telephones and the query endpoints. */
import { once } from 'node:events';
import type { TelephoneCall, Evidence, QueryAnswer } from './comparison.ts';
import type { CustomerOrder, CustomerReport } from './customer-process.ts';
import type { LoggedRequest } from './request-log.ts';
import { readStoredFacts, type StoredMessage } from './stored-facts.ts';
import { ACCOUNT, type World } from './world.ts';

const AT_ONCE = 32;

export async function gatherEvidence(world: World, requests: readonly LoggedRequest[]): Promise<Evidence> {
  world.journal.poll();
  const facts = await readStoredFacts(world.database, ACCOUNT.username);
  const report = await askCustomer(world);
  const plans = new Map(requests.map((one) => [`${one.planned.kind} ${one.planned.serial}`, one.planned]));
  const living = world.nodes.filter(({ process }) => process.isRunning);
  const answers = await severalAtOnce(facts.messages, (one, index) => {
    const planned = plans.get(`${one.kind} ${one.serial}`);
    const mobile = planned?.kind === 'message' ? planned.mobile : '';
    return query(living[index % living.length]?.baseUrl ?? '', one, mobile);
  });
  const phones = requests.flatMap(({ planned }) => (planned.kind === 'call' && planned.own ? [planned.phone] : []));
  const telephoneCalls = (await severalAtOnce(phones, (phone) => readCalls(world.telephoneUrl, phone))).flat();
  return {
    requests,
    facts,
    arrivals: world.journal.arrivals,
    callbacks: report.callbacks,
    strangeCallbacks: report.strange,
    telephoneCalls,
    answers,
  };
}

async function askCustomer({ customer }: World): Promise<CustomerReport> {
  const { child } = customer;
  if (child === undefined) throw new Error('the customer is gone');
  const told = once(child, 'message');
  child.send({ kind: 'tell' } satisfies CustomerOrder);
  return (await told)[0] as CustomerReport;
}

async function query(baseUrl: string, one: StoredMessage, mobile: string): Promise<QueryAnswer> {
  const { kind, msgid } = one;
  const parameters = new URLSearchParams({ ...ACCOUNT, mobile, msgid: String(msgid), outrange: 'Y' }).toString();
  if (kind === 'call') {
    const body = await (await fetch(`${baseUrl}/query_voice.php?${parameters}`)).text();
    return { kind, msgid, state: /^resp=\d+,\d+,\d+,\d+,(\w+)$/.exec(body)?.[1] };
  }
  const answer = (await (await fetch(`${baseUrl}/json/sms_query.php?${parameters}`)).json()) as { statustext?: string };
  return { kind, msgid, state: answer.statustext };
}

async function readCalls(telephoneUrl: string, phone: string): Promise<TelephoneCall[]> {
  const response = await fetch(`${telephoneUrl}/simulator/handsets/${phone}/calls`);
  const calls = (await response.json()) as { startedAt: string; answeredAt: string | null }[];
  return calls.map(({ startedAt, answeredAt }) => ({
    phone,
    startedAtMs: Date.parse(startedAt),
    answeredAtMs: answeredAt === null ? undefined : Date.parse(answeredAt),
  }));
}

async function severalAtOnce<Item, Result>(
  items: readonly Item[],
  run: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const part = items.slice(at, at + AT_ONCE);
    results.push(...(await Promise.all(part.map((item, index) => run(item, at + index)))));
  }
  return results;
}
