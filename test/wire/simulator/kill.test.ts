import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FakePlatform, udhSegments } from './fake-platform.ts';

const SCRIPT = fileURLToPath(new URL('simulator-process.ts', import.meta.url));

interface Shown {
  text: string;
  segments: number;
  receivedAt: string;
  from: string;
}

interface Life {
  smppPort: number;
  httpPort: number;
  child: ChildProcess;
  kill(): Promise<void>;
}

function dataDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'feige-simulator-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function live(t: TestContext, directory: string): Promise<Life> {
  const child = spawn(process.execPath, [SCRIPT, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout !== null);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const ports = JSON.parse(line.toString()) as { smppPort: number; httpPort: number };
  const kill = async (): Promise<void> => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return { ...ports, child, kill };
}

async function handset(life: Life, number: string): Promise<Shown[]> {
  const answer = await fetch(`http://127.0.0.1:${life.httpPort}/simulator/handsets/${number}/messages`);
  return (await answer.json()) as Shown[];
}

test('a kill in the middle of submits loses no receipt, and no acknowledged one comes again', async (t) => {
  const directory = dataDirectory(t);
  const first = await live(t, directory);
  const transmitter = await FakePlatform.bind({ port: first.smppPort, mode: 'transmitter' });
  const accepted: string[] = [];
  const results: Promise<unknown>[] = [];
  for (let index = 0; index < 900; index++) {
    const submitted = transmitter.submit({ to: '886911000000', tlvs: { userMessageReference: index } });
    results.push(
      submitted.then((result) => {
        if (result.kind === 'response') accepted.push(result.messageId);
        if (accepted.length === 300) first.child.kill('SIGKILL');
      }),
    );
  }
  await Promise.all(results);
  assert.ok(accepted.length >= 300);

  const second = await live(t, directory);
  const platform = await FakePlatform.bind({ port: second.smppPort });
  const wanted = new Set(accepted);
  const missing = (): string[] => {
    const seen = new Set(platform.receipts().map(({ id }) => id));
    return [...wanted].filter((id) => !seen.has(id));
  };
  await platform.until(() => platform.deliveries.length >= accepted.length && missing().length === 0);
  const marker = await platform.accepted({ to: '886911000001' });
  assert.ok(!wanted.has(marker), 'ids are not given twice');
  await platform.until(() => platform.receipts().at(-1)?.id === marker);
  const flush = await platform.accepted({ to: '886911000001', registeredDelivery: 0 });
  assert.notEqual(flush, marker);
  await second.kill();

  const third = await live(t, directory);
  const again = await FakePlatform.bind({ port: third.smppPort });
  t.after(() => again.destroy());
  const last = await again.accepted({ to: '886911000001' });
  await again.until(() => again.receipts().some(({ id }) => id === last));
  const repeated = again.receipts().filter(({ id }) => wanted.has(id));
  assert.deepEqual(repeated, []);
});

test('handsets, unfinished messages and replies outlive a kill', async (t) => {
  const directory = dataDirectory(t);
  const first = await live(t, directory);
  const transmitter = await FakePlatform.bind({ port: first.smppPort, mode: 'transmitter' });
  const [begin, end] = udhSegments(3, ['begin ', 'end']);
  await transmitter.accepted({ to: '886911000002' });
  await transmitter.accepted({ to: '886911000002', ...begin });
  const reply = await fetch(`http://127.0.0.1:${first.httpPort}/simulator/handsets/0911000002/messages`, {
    method: 'POST',
    body: JSON.stringify({ to: '12345', text: '回覆' }),
  });
  assert.equal(reply.status, 202);
  const before = await handset(first, '0911000002');
  await first.kill();

  const second = await live(t, directory);
  assert.deepEqual(await handset(second, '0911000002'), before);
  const platform = await FakePlatform.bind({ port: second.smppPort });
  t.after(() => platform.destroy());
  await platform.until(() => platform.events.includes('incoming'));
  await platform.accepted({ to: '886911000002', ...end });
  const texts = (await handset(second, '0911000002')).map(({ text }) => text);
  assert.deepEqual(texts, ['hello', 'begin end']);
});

test('a journal with damaged and unended lines is read for what it holds', async (t) => {
  const directory = dataDirectory(t);
  const path = join(directory, 'simulator.journal');
  writeFileSync(path, 'H\t1700000000000\t0911000003\t1\t12345\t"kept"\nR\tx\nrubbish\nP\t17\t09\t\t\t\t1\tno json\n');
  appendFileSync(path, 'H\t1700000000000\t0911000003\t1\t12345\t"cut of');
  const life = await live(t, directory);
  const messages = await handset(life, '0911000003');
  assert.deepEqual(messages, [{ text: 'kept', segments: 1, receivedAt: '2023-11-14T22:13:20.000Z', from: '12345' }]);
});
