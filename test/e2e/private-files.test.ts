import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { ask, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

const USER = { username: 'test', password: '1234' };
const MOBILE = '0911222333';
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

let above = '';
let dataDir = '';
let platform: PlatformProcess;
const umask = process.umask();

before(async () => {
  above = await mkdtemp(join(tmpdir(), 'feige-private-'));
  dataDir = join(above, 'data');
  // The platform inherits it: nothing but its own care keeps its files private.
  process.umask(0);
  platform = await startPlatformProcess({ dataDir });
});
after(async () => {
  process.umask(umask);
  await platform.end('SIGTERM');
  await rm(above, { recursive: true, force: true, maxRetries: 5 });
});

/** Paths in the data directory that others could look into, with their modes, and how many were looked at. */
async function openToOthers(): Promise<{ open: string[]; seen: string[] }> {
  const open: string[] = [];
  const seen: string[] = [];
  const look = async (path: string): Promise<void> => {
    // PostgreSQL makes and removes files all the time.
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return;
    const mode = found.mode & 0o777;
    seen.push(relative(dataDir, path));
    if (mode !== (found.isDirectory() ? DIRECTORY_MODE : FILE_MODE)) {
      open.push(`${relative(dataDir, path) || '.'} ${mode.toString(8)}`);
    }
    if (!found.isDirectory()) return;
    for (const name of await readdir(path).catch(() => [])) await look(join(path, name));
  };
  await look(dataDir);
  return { open, seen };
}

test('nobody but the owner can read what lies in the data directory, whatever the umask', async () => {
  const { msgid } = await ask(platform.http, 'sms_send.php', { ...USER, mobile: MOBILE, message: 'private' });
  await eventually('the message at the handset', async () => {
    const answer = await ask(platform.http, 'sms_query.php', { ...USER, mobile: MOBILE, msgid: String(msgid) });
    return answer.statustext === 'DELIVRD' ? true : undefined;
  });
  const call = new URLSearchParams({ ...USER, type: '1', phone: MOBILE, message: 'private' });
  assert.equal((await fetch(`${platform.http}/send_voice.php?${call.toString()}`)).status, 200);
  const kinds = [
    /^secret\.key$/,
    /^postgres\.json$/,
    /^self-signed\.pem$/,
    /^lock/,
    /journal/,
    /^calls\/./,
    /PG_VERSION/,
  ];
  const { open } = await eventually('files of every kind', async () => {
    const looked = await openToOthers();
    return kinds.every((kind) => looked.seen.some((path) => kind.test(path))) ? looked : undefined;
  });
  assert.deepEqual(open, []);
});
