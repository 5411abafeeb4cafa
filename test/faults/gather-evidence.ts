/** Asks everybody who knows something of the run: the database, the customer, the telephones and the query endpoints. */
import { once } from 'node:events';
import type { TelephoneCall, Evidence, QueryAnswer } from './comparison.ts';
import type { CustomerOrder, CustomerReport } from './customer-process.ts';
import type { LoggedRequest } from './request-log.ts';
import { readStoredFacts, type StoredMessage } from './stored-facts.ts';
import { ACCOUNT, type World } from './world.ts';

/** Of the messages; every call is asked for. */
const SAMPLE = 300;
const AT_ONCE = 8;

export async function gatherEvidence(world: World, requests: readonly LoggedRequest[]): Promise<Evidence> {
  world.journal.poll();
  const facts = await readStoredFacts(world.database, ACCOUNT.username);
  const report = await askCustomer(world);
  const plans = new Map(requests.map((one) => [`${one.planned.kind} ${one.planned.serial}`, one.planned]));
  const step = Math.max(1, Math.floor(facts.messages.length / SAMPLE));
  const sample = facts.messages.filter((one, index) => one.kind === 'call' || index % step === 0);
  const answers = await severalAtOnce(sample, (one, index) => {
    const planned = plans.get(`${one.kind} ${one.serial}`);
    const mobile = planned?.kind === 'message' ? planned.mobile : '';
    return query(world.nodes[index % 2 === 0 ? 0 : 1].baseUrl, one, mobile);
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
