/** A gateway that is not ours is served by the simulated operator: its messages arrive, its receipts and replies too. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FollowingClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { SimulatedOperator } from '../../src/simulator/smsc.ts';
import { type CustomerServer, startCustomerServer } from '../harness/customer-server.ts';
import { eventually } from '../harness/sms-node.ts';
import { type Kannel, startKannel } from './kannel.ts';
import { type RecordedLine, startRecordedLine } from './recorded-line.ts';
import { readWhole } from './smpp-reading.ts';

const GSM7 = 'Kannel: 1 + 1 = 2? @£$¥ÄÖÜ {[~]} €';
const UCS2 = '飛鴿傳書，使命必達。😀';
const LONG_GSM7 = 'A long message: [€ 1,000] ~ {x}. '.repeat(12).slice(0, 380);
const LONG_UCS2 = '長簡訊會分成幾則，收到的手機再接起來。'.repeat(8);
/** Kannel's %c for UCS-2. */
const UCS2_CODING = '2';
/** Kannel's %d, of which one message can have several. */
const REPORT = { delivered: '1', failed: '2', taken: '8', refused: '16' } as const;

interface Sent {
  to: string;
  text: string;
  coding: 'gsm7' | 'ucs2';
  /** What Kannel has to hear of it. */
  reports: readonly string[];
}

for (const mode of ['transceiver', 'transmitter+receiver'] as const) {
  test(`Kannel binds as ${mode}, submits, and hears what became of it`, async (t) => {
    const { operator, customer, kannel, line } = await startAll(t, mode);
    const messages: readonly Sent[] = [
      { to: '886911000001', text: GSM7, coding: 'gsm7', reports: [REPORT.taken, REPORT.delivered] },
      { to: '886911000002', text: UCS2, coding: 'ucs2', reports: [REPORT.taken, REPORT.delivered] },
      { to: '886911000003', text: LONG_GSM7, coding: 'gsm7', reports: [REPORT.taken, REPORT.delivered] },
      { to: '886911000004', text: LONG_UCS2, coding: 'ucs2', reports: [REPORT.taken, REPORT.delivered] },
      { to: '886900000003', text: 'undeliverable', coding: 'gsm7', reports: [REPORT.taken, REPORT.failed] },
      { to: '886900000008', text: 'refused', coding: 'gsm7', reports: [REPORT.refused] },
    ];
    for (const [n, { to, text, coding }] of messages.entries()) await kannel.send({ n, to, text, coding });
    for (const [n, { to, text, reports }] of messages.entries()) {
      for (const type of reports) await reported(customer, kannel, n, type);
      const arrived = operator.handsets.messages(`0${to.slice(3)}`).map((message) => message.text);
      assert.deepEqual(arrived, reports.includes(REPORT.delivered) ? [text] : []);
    }
    const answer = decodeURIComponent(await reported(customer, kannel, 0, REPORT.delivered)).replaceAll('+', ' ');
    assert.match(answer, /id:\d+ sub:001 dlvrd:001 submit date:\d{10} done date:\d{10} stat:DELIVRD err:000/);
    await eventually('acknowledged receipts', async () => (operator.owed === 0 ? true : undefined));
    const read = await readWhole(t, line, 'server');
    assert.ok(read.pdus.length > messages.length * 2);
  });

  test(`what handsets write reaches Kannel, bound as ${mode}`, async (t) => {
    const { operator, customer, kannel } = await startAll(t, mode);
    for (const [n, text] of [GSM7, UCS2, LONG_GSM7, LONG_UCS2].entries()) {
      const from = `091100000${n}`;
      assert.equal((await operator.reply({ from, to: '12345', text })).kind, 'accepted');
      const url = await asked(customer, kannel, (request) => request.searchParams.get('from')?.endsWith(from.slice(1)));
      assert.equal(url.pathname, '/mo');
      assert.equal(url.searchParams.get('to'), '12345');
      assert.equal(incomingText(url), text);
    }
    await eventually('acknowledged messages', async () => (operator.owed === 0 ? true : undefined));
  });
}

async function startAll(
  context: TestContext,
  mode: 'transceiver' | 'transmitter+receiver',
): Promise<{ operator: SimulatedOperator; customer: CustomerServer; kannel: Kannel; line: RecordedLine }> {
  const operator = new SimulatedOperator({
    host: '127.0.0.1',
    port: 0,
    dataDir: undefined,
    clock: new FollowingClock(),
    log: createLogger({ level: 'silent' }),
    receiptDelayMs: 50,
  });
  const { port } = await operator.start();
  context.after(() => operator.stop());
  const customer = await startCustomerServer((response) => response.end());
  context.after(() => customer.stop());
  const line = await startRecordedLine(context, port);
  const callbackPort = Number(new URL(customer.url).port);
  const kannel = await startKannel(context, { smscPort: line.port, mode, callbackPort });
  const wanted = mode === 'transceiver' ? 1 : 2;
  await eventually('bound sessions', async () => (operator.sessions === wanted ? true : undefined));
  return { operator, customer, kannel, line };
}

/** UTF-8, or UTF-16 where the message was UCS-2. */
function incomingText(url: URL): string {
  const escaped = /[?&]text=([^&]*)/.exec(url.search)?.[1] ?? '';
  const bytes = Buffer.from(unescapeBytes(escaped), 'latin1');
  return url.searchParams.get('coding') === UCS2_CODING ? bytes.swap16().toString('utf16le') : bytes.toString();
}

/** A character for each byte. */
function unescapeBytes(escaped: string): string {
  return escaped
    .replaceAll('+', ' ')
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** The answer that Kannel gives with its report: the receipt's text, or the refusal. */
async function reported(customer: CustomerServer, kannel: Kannel, n: number, type: string): Promise<string> {
  const found = await asked(
    customer,
    kannel,
    ({ pathname, searchParams }) =>
      pathname === '/dlr' && searchParams.get('n') === String(n) && searchParams.get('type') === type,
  );
  return found.search;
}

async function asked(
  customer: CustomerServer,
  kannel: Kannel,
  fits: (request: URL) => boolean | undefined,
): Promise<URL> {
  const look = (): URL | undefined => customer.requests.map((url) => new URL(url, customer.url)).find(fits);
  return eventually('a request of Kannel', async () => look()).catch((error: unknown) => {
    throw new Error(`asked were:\n${customer.requests.join('\n')}\n${kannel.bearerbox.output().slice(-20_000)}`, {
      cause: error,
    });
  });
}
