import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DEMO_ACCOUNTS } from '../../src/store/demo-accounts.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { skipIf } from '../harness/prerequisite.ts';
import { eventually } from '../harness/sms-node.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = ['README.md', 'README.zh-TW.md'];
const DOCUMENTS = [...PAGES, 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/production.md', 'docs/reference/api.md'];
const COMMAND_TIMEOUT_MS = 20_000;
const NO_CURL = skipIf(spawnSync('curl', ['--version']).error && 'there is no curl on this machine');

interface Step {
  command: string;
  answer: string;
}

/** The `console` blocks of a page: each line that begins with `$ ` is a command, what follows is its answer. */
function stepsOf(page: string): Step[] {
  const blocks = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^```console\n(.*?)^```$/gms)];
  return blocks.flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .filter((step) => step !== '')
      .map((step) => {
        const [command = '', ...answer] = step.trimEnd().split('\n');
        return { command, answer: answer.join('\n') };
      }),
  );
}

/** What two runs can't have in common: points of time, and numbers that are handed out. */
function withoutTheAccidental(answer: string): string {
  return answer
    .replace(/"(donetime|date)":"\d{14}"/g, '"$1":"…"')
    .replace(/"receivedAt":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/g, '"receivedAt":"…"')
    .replace(/"msgid":\d{9}(?=})/g, '"msgid":…')
    .replace(/"seq":"\d{6}"/g, '"seq":"…"');
}

const SENT = /"msgid":(\d+)/;

let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  directory = await makeDataDir();
  platform = await startPlatformProcess({ dataDir: directory.path });
});
after(async () => {
  await platform.end('SIGTERM');
  await directory.remove();
});

/** The command as it is written, but at the platform of this test. */
function aimed(command: string, msgids: ReadonlyMap<string, string>): string {
  const here = command
    .replaceAll('http://127.0.0.1:8080', platform.http)
    .replaceAll('https://127.0.0.1:8443', platform.https)
    .replaceAll('127.0.0.1:8443', new URL(platform.https).host)
    .replaceAll('data/self-signed.pem', join(directory.path, 'self-signed.pem'));
  return here.replace(/msgid=(\d+)/g, (_whole, shown: string) => `msgid=${msgids.get(shown) ?? shown}`);
}

async function run(command: string): Promise<string> {
  const quiet = command.replace(/^curl /, 'curl -sS ');
  const { stdout } = await promisify(execFile)('sh', ['-c', quiet], { cwd: ROOT, timeout: COMMAND_TIMEOUT_MS });
  return stdout;
}

/** Asked again until the answer is the page's: receipts and messages take their time. What charges is run once. */
async function answerTo(step: Step, command: string): Promise<string> {
  const expected = withoutTheAccidental(step.answer);
  const isQuestion = !/sms_send|delttime|-X POST/.test(command);
  if (!isQuestion) return run(command);
  let last = '';
  const found = eventually(`the answer to ${command}`, async () => {
    last = await run(command);
    return withoutTheAccidental(last) === expected ? last : undefined;
  });
  return found.catch(() => last);
}

test('every request of the README is answered as the README shows it', { skip: NO_CURL }, async () => {
  const steps = stepsOf('README.md');
  assert.ok(steps.length >= 15, 'the requests were not found');
  const msgids = new Map<string, string>();
  for (const step of steps) {
    assert.match(step.command, /^curl .*(127\.0\.0\.1:8080\/|127\.0\.0\.1:8443)/, 'nothing else is run here');
    const command = aimed(step.command, msgids);
    const answer = await answerTo(step, command);
    assert.equal(withoutTheAccidental(answer), withoutTheAccidental(step.answer), command);
    const [shown, given] = [SENT.exec(step.answer)?.[1], SENT.exec(answer)?.[1]];
    if (shown !== undefined && given !== undefined) msgids.set(shown, given);
  }
});

test('both languages show the same requests and answers', () => {
  assert.deepEqual(stepsOf('README.zh-TW.md'), stepsOf('README.md'));
});

for (const page of PAGES) {
  test(`${page} lists the demo accounts as they are made`, () => {
    const listed = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^\| `(\w+)` \| `(\w+)` \| (\d+) \|/gm)];
    assert.deepEqual(
      listed.map(([, username, password, points]) => ({ username, password, points: Number(points) })),
      DEMO_ACCOUNTS.map(({ username, password, points }) => ({ username, password, points })),
    );
  });
}

for (const page of DOCUMENTS) {
  test(`what ${page} links to is there`, () => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    const paths = targets.filter((target) => !/^(https?:|#)/.test(target)).map((target) => target.split('#')[0] ?? '');
    assert.ok(paths.length > 0, 'no links were found');
    const missing = paths.filter((path) => !existsSync(join(ROOT, dirname(page), path)));
    assert.deepEqual(missing, []);
  });
}
