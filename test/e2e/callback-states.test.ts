import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Database } from '../../src/store/database.ts';
import { addFilterWord, addOptOut } from '../../src/store/filter-admin.ts';
import { type CustomerServer, startCustomerServer } from '../harness/customer-server.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { ask, makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const USER = { username: 'test', password: '1234' };
const HOUR_MS = 3_600_000;
const TAIPEI_MS = 8 * HOUR_MS;
/** Past the last due time, validity and grace of the cases below. */
const LEAP_MS = 4 * HOUR_MS;
const SHORT = { expirytime: '300' };
const OPTED_OUT = '0911000999';
const FILTERED = '賭場';

interface Case {
  readonly why: string;
  readonly mobile: string;
  readonly state: string;
  readonly more?: Record<string, string>;
  /** Ends only when time has passed. */
  readonly late?: boolean;
  readonly deleted?: boolean;
}

function inTwoHours(): string {
  return new Date(Date.now() + TAIPEI_MS + 2 * HOUR_MS).toISOString().replace(/[-T:]/g, '').slice(0, 12);
}

const CASES: readonly Case[] = [
  { why: 'a receipt', mobile: '0911222333', state: 'DELIVRD' },
  { why: 'a receipt', mobile: '0900000001', state: 'EXPIRED' },
  { why: 'a receipt', mobile: '0900000002', state: 'DELETED' },
  { why: 'a receipt', mobile: '0900000003', state: 'UNDELIV' },
  { why: 'a receipt', mobile: '0900000005', state: 'UNKNOWN' },
  { why: 'a receipt', mobile: '0900000006', state: 'REJECTD' },
  { why: 'a refusal', mobile: '0900000007', state: 'SYNTAXE' },
  { why: 'a refusal', mobile: '0900000008', state: 'MOBERROR' },
  { why: 'a refusal', mobile: '0900000009', state: 'MSGERROR' },
  { why: 'a refusal', mobile: '0900000010', state: 'OTERROR' },
  { why: 'a refusal', mobile: '0900000012', state: 'REJMOBIL' },
  { why: 'a filtered word', mobile: '0911222333', state: 'REJERROR', more: { message: FILTERED } },
  { why: 'a recipient who wants no messages', mobile: OPTED_OUT, state: 'REJMOBIL' },
  { why: 'a deletion', mobile: '0911222333', state: 'DELETED', more: { sendtime: inTwoHours() }, deleted: true },
  { why: 'a last word that was no end', mobile: '0900000004', state: 'ACCEPTD', more: SHORT, late: true },
  { why: 'silence', mobile: '0900000029', state: 'UNKNOWN', more: SHORT, late: true },
  {
    why: 'a validity that ended in the queue',
    mobile: '0911222333',
    state: 'EXPIRED',
    more: { ...SHORT, sendtime: inTwoHours() },
    late: true,
  },
];

let testDatabase: TestDatabase;
let database: Database;
let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;
let customer: CustomerServer;
const msgids: string[] = [];

before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
  await addFilterWord(database, { word: FILTERED, username: null });
  await addOptOut(database, { mobile: `886${OPTED_OUT.slice(1)}`, username: null });
  directory = await makeDataDir();
  const env = { DATABASE_URL: testDatabase.url, SIMULATOR: 'on' };
  platform = await startPlatformProcess({ dataDir: directory.path, env });
  customer = await startCustomerServer((response) => response.end('OK'));
  await promisify(execFile)(
    process.execPath,
    ['src/cli/feige.ts', 'operator', 'set', 'simulator', '--response-timeout-ms', '500'],
    { cwd: ROOT, env: { ...process.env, ...env, DATA_DIR: directory.path } },
  );
  msgids.push(...(await Promise.all(CASES.map(sent))));
  for (const [place, { deleted, mobile }] of CASES.entries())
    if (deleted) assert.equal((await query({ mobile, msgid: msgids[place] ?? '', delttime: 'Y' })).code, '00000');
});
after(async () => {
  await customer.stop();
  await platform.end('SIGTERM');
  await database.stop();
  await testDatabase.drop();
  await directory.remove();
});

const query = (more: Record<string, string>) => ask(platform.http, 'sms_query.php', { ...USER, ...more });

async function sent({ mobile, more }: Case, place: number): Promise<string> {
  const drurl = `${customer.url}?case=${place}`;
  const parameters = { ...USER, mobile, message: 'hello', drurl, drurl_check: 'N', ...more };
  const answer = await ask(platform.http, 'sms_send.php', parameters);
  assert.equal(answer.code, '00000', JSON.stringify(answer));
  return String(answer.msgid);
}

/** What was called back for the case: the parameter smsresp of each call. */
function callsOf(place: number): Record<string, string>[] {
  return customer.requests
    .map((url) => new URL(url, 'http://customer').searchParams)
    .filter((parameters) => parameters.get('case') === String(place))
    .map((parameters) => JSON.parse(parameters.get('smsresp') ?? '{}') as Record<string, string>);
}

/** Once every late case waits only for the end of its time. */
async function letTimePass(): Promise<void> {
  const silent = msgids[CASES.findIndex(({ why }) => why === 'silence')] ?? '';
  await eventually('both attempts of the silent one', async () => {
    const text = "SELECT count(*)::int AS attempts FROM message_events WHERE msgid = $1 AND kind = 'outcome-unknown'";
    const [row] = await database.query<{ attempts: number }>({ name: 'test-attempts', text }, [silent]);
    return row?.attempts === 2 ? true : undefined;
  });
  const taken = CASES.findIndex(({ state }) => state === 'ACCEPTD');
  assert.equal((await query({ mobile: CASES[taken]?.mobile ?? '', msgid: msgids[taken] ?? '' })).code, '00001');
  const early = CASES.flatMap(({ late }, place) => (late ? callsOf(place) : []));
  assert.deepEqual(early, [], 'nothing is told before it is known');
  await database.query({ name: 'test-leap', text: 'UPDATE clock_shift SET offset_ms = offset_ms + $1' }, [LEAP_MS]);
}

for (const isLate of [false, true]) {
  for (const [place, { why, mobile, state, late }] of CASES.entries()) {
    if ((late ?? false) !== isLate) continue;
    test(`${state} after ${why} is called back once, with the keys of the specification as strings`, async () => {
      await eventually('the callback', async () => callsOf(place)[0]);
      const calls = callsOf(place);
      assert.equal(calls.length, 1);
      const { downtime, donetime, ...rest } = calls[0] ?? {};
      assert.deepEqual(
        Object.keys(calls[0] ?? {}),
        'code text msgid mobile statuscode statustext downtime donetime'.split(' '),
      );
      assert.deepEqual(rest, {
        code: '00000',
        text: 'Success',
        msgid: msgids[place],
        mobile,
        statuscode: state === 'DELIVRD' ? '0' : '-1',
        statustext: state,
      });
      assert.match(downtime ?? '', /^20\d{12}$/);
      assert.equal(donetime, downtime);
      assert.equal((await query({ mobile, msgid: msgids[place] ?? '', outrange: 'Y' })).statustext, state);
    });
  }
  if (!isLate) test('what is open is called back only when its time has passed', letTimePass);
}

test('what ended in the queue was never sent', async () => {
  const place = CASES.findIndex(({ why }) => why === 'a validity that ended in the queue');
  const text = 'SELECT kind FROM message_events WHERE msgid = $1 AND operator_message_id IS NOT NULL';
  assert.deepEqual(await database.query({ name: 'test-sent', text }, [msgids[place] ?? '']), []);
  const delivered = CASES.findIndex(({ state }) => state === 'DELIVRD');
  assert.notEqual((await database.query({ name: 'test-sent', text }, [msgids[delivered] ?? ''])).length, 0);
});
