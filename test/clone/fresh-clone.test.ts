/**
 * What README promises of its first command, on a clone that nobody has touched, in a directory that only its owner can
 * enter: as root, and as a user who has no home. One of the two installs from the registry, when it answers.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { skipIf } from '../harness/prerequisite.ts';
import { eventually } from '../harness/sms-node.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ENDS_WITHIN_MS = 10_000;
const UP_WITHIN_MS = 150_000;
const REGISTRY_PATIENCE_MS = 10_000;
const OWNER_ONLY = 0o700;
const PORTS = { HTTP_PORT: '0', HTTPS_PORT: '0', METRICS_PORT: '0', SMSC_PORT: '0', TELEPHONE_PORT: '0' };
const MESSAGE = 'username=test&password=1234&mobile=0911222333';
const run = promisify(execFile);

interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly installs: boolean;
}

const ROOT_USER: Owner = { uid: 0, gid: 0, home: process.env.HOME ?? '/root', installs: false };
const NOBODY: Owner = { uid: 65_534, gid: 65_534, home: '/nonexistent', installs: true };

const skip = skipIf(process.getuid?.() !== 0 && 'only root can start it as somebody else');

for (const [who, owner] of [
  ['root', ROOT_USER],
  ['a user without a home', NOBODY],
] as const) {
  test(`npm start on a fresh clone works, survives kill -9 and ends clean, as ${who}`, { skip }, async (t) => {
    const clone = await makeClone(t, owner);
    const first = await startClone(clone, owner);
    const sent = await ask(first, `sms_send.php?${MESSAGE}&message=Hello`);
    assert.deepEqual(sent, { code: '00000', text: 'Success', msgid: 100_000_000 });

    const node = (await processesIn(clone)).find(({ commandLine }) => commandLine.startsWith('node\0src/main.ts\0'));
    assert.ok(node, 'there is no Node at work');
    process.kill(node.processId, 'SIGKILL');
    await first.exited;

    const second = await startClone(clone, owner);
    const { statustext } = await eventually('the message of before to arrive', async () => {
      const answer = await ask(second, `sms_query.php?${MESSAGE}&msgid=100000000`);
      return answer.code === '00000' ? answer : undefined;
    });
    assert.equal(statustext, 'DELIVRD');
    const { point } = await ask(second, `sms_query.php?${MESSAGE}&checkpoint=Y`);
    assert.equal(point, 99_999);

    const endedMs = performance.now();
    second.npm.kill('SIGTERM');
    assert.equal(await second.exited, 0, second.output());
    assert.ok(performance.now() - endedMs < ENDS_WITHIN_MS);
    assert.deepEqual(await processesIn(clone), []);
  });
}

/** The checkout's HEAD, its owner's alone, gone after the test with all that runs in it. */
async function makeClone(t: TestContext, owner: Owner): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'feige-clone-'));
  const clone = join(directory, 'feige');
  t.after(async () => {
    for (const { processId } of await processesIn(directory))
      await run('kill', ['-9', String(processId)]).catch(() => {});
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  });
  // Git takes nothing from a checkout that another user owns, as those in containers often are, unless it is told to.
  const settings = join(directory, 'gitconfig');
  await writeFile(settings, '[safe]\n\tdirectory = *\n');
  await run('git', ['clone', '--quiet', ROOT, clone], { env: { ...process.env, GIT_CONFIG_GLOBAL: settings } });
  if (!owner.installs || !(await registryAnswers())) {
    if (owner.installs) t.diagnostic('the registry does not answer: packages are copied, not installed');
    await run('cp', ['-a', join(ROOT, 'node_modules'), clone]);
  }
  await run('chown', ['-R', `${owner.uid}:${owner.gid}`, directory]);
  await chmod(directory, OWNER_ONLY);
  return clone;
}

async function registryAnswers(): Promise<boolean> {
  const view = ['view', 'pg', 'name', '--fetch-retries=0', '--prefer-online'];
  return run('npm', view, { timeout: REGISTRY_PATIENCE_MS }).then(
    ({ stdout }) => stdout.trim() === 'pg',
    () => false,
  );
}

function wayToRegistry(): Record<string, string> {
  const names = ['npm_config_registry', 'HTTPS_PROXY', 'https_proxy', 'NODE_EXTRA_CA_CERTS'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

interface StartedClone {
  readonly npm: ChildProcess;
  readonly http: string;
  readonly exited: Promise<number | null>;
  output(): string;
}

/** `npm start`, until the table of what is where has been printed. */
async function startClone(clone: string, owner: Owner): Promise<StartedClone> {
  const { uid, gid, home } = owner;
  // Of the surroundings of this test it gets the way to the registry alone: no other settings, no Node of the project.
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
  const npm = spawn('npm', ['start'], {
    cwd: clone,
    uid,
    gid,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: path.join(delimiter), HOME: home, ...wayToRegistry(), ...PORTS },
  });
  let output = '';
  const up = Promise.withResolvers<void>();
  const take = (chunk: string): void => {
    output += chunk;
    if (output.includes('smsmo_query.php')) up.resolve();
  };
  npm.stdout.setEncoding('utf8').on('data', take);
  npm.stderr.setEncoding('utf8').on('data', take);
  const exited = once(npm, 'exit').then(([code]) => code as number | null);
  void exited.then(() => up.reject(new Error(`npm start ended:\n${output}`)));
  const late = setTimeout(() => up.reject(new Error(`npm start is not up:\n${output}`)), UP_WITHIN_MS);
  await up.promise.finally(() => clearTimeout(late));
  assert.match(output, /Feige 飛鴿 is up/);
  return { npm, http: /API +(http:\S+)/.exec(output)?.[1] ?? '', exited, output: () => output };
}

async function ask({ http }: StartedClone, request: string): Promise<Record<string, unknown>> {
  return (await (await fetch(`${http}/json/${request}`)).json()) as Record<string, unknown>;
}

/** Whatever stands in the directory or below it: npm, Node, PostgreSQL. */
async function processesIn(directory: string): Promise<{ processId: number; commandLine: string }[]> {
  const found: { processId: number; commandLine: string }[] = [];
  for (const name of await readdir('/proc')) {
    const cwd = /^\d+$/.test(name) ? await readlink(`/proc/${name}/cwd`).catch(() => '') : '';
    if (cwd !== directory && !cwd.startsWith(`${directory}/`)) continue;
    const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (commandLine !== '') found.push({ processId: Number(name), commandLine });
  }
  return found;
}
