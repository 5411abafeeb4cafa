/** That the faults of a schedule are really brought about, and undone: on a PostgreSQL of the run's own, and on its lines. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import pg from 'pg';
import { FaultDatabase } from '../../faults/fault-database.ts';
import { FaultProxy } from '../../faults/fault-proxy.ts';
import { Injector } from '../../faults/injector.ts';
import { OperatorMood } from '../../faults/operator-mood.ts';
import type { Fault } from '../../faults/schedule.ts';
import { OPERATOR, type World } from '../../faults/world.ts';
import { eventually } from '../../harness/sms-node.ts';

const LASTS_MS = 1_500;
const RUN_S = 10;
/** SQLSTATE, PostgreSQL's appendix A. */
const READ_ONLY = '25006';
const DISK_FULL = '53100';
/** More than a block, so that the table has to grow, and nothing that can be compressed. */
const INSERT = `INSERT INTO kept SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 2000)`;

function faultOf(kind: Fault['kind'], part: Fault['part'], durationMs = LASTS_MS): Fault {
  return { kind, part, startMs: 0, durationMs };
}

type Faulty = Omit<Partial<World<FaultDatabase>>, 'servers'> & { servers: Partial<FaultDatabase> };

function injectorOf(world: Faulty): Injector {
  return new Injector(world as World<FaultDatabase>);
}

const never = new AbortController().signal;

describe('on the database', () => {
  let directory = '';
  let servers: FaultDatabase;
  let injector: Injector;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'feige-injector-'));
    servers = await FaultDatabase.make({ directory, seconds: RUN_S });
    await servers.server.administer('CREATE TABLE kept (text text)');
  });
  after(async () => {
    await servers.stop();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    injector = injectorOf({ servers });
  });

  async function client(): Promise<pg.Client> {
    const made = new pg.Client({ connectionString: servers.url });
    made.on('error', () => {});
    await made.connect();
    return made;
  }

  /** Its end comes with an error, which `once` would reject with. */
  function gone(ended: pg.Client): Promise<void> {
    return new Promise((resolve) => ended.once('end', () => resolve()));
  }

  /** SQLSTATE or what Node says, of what refuses a row; undefined while none does. */
  async function refusal(asked: pg.Client): Promise<string | undefined> {
    return asked.query(INSERT).then(
      () => undefined,
      (error: { code?: string; message: string }) => error.code ?? error.message,
    );
  }

  async function assertHealed(): Promise<void> {
    const anew = await client();
    assert.equal(await refusal(anew), undefined);
    await anew.end();
    assert.equal(injector.injected.length, 1);
  }

  test('writes are refused to connections that were open before, and taken again', async () => {
    const open = await client();
    const running = injector.run([faultOf('refuses writes', 'database')], never);
    assert.equal(await eventually('a refusal', () => refusal(open)), READ_ONLY);
    assert.equal((await open.query('SELECT 1')).rowCount, 1, 'reading goes on');
    await running;
    await eventually('a row', async () => ((await refusal(open)) === undefined ? true : undefined));
    await open.end();
    await assertHealed();
  });

  test('the disk is full for whoever writes, and empty again', async (t) => {
    if (servers.volume.notMounted !== undefined) {
      t.skip(servers.volume.notMounted);
      return;
    }
    const open = await client();
    const running = injector.run([faultOf('full disk', 'database')], never);
    const refused = await eventually('a refusal', () => refusal(open));
    // Where the log itself cannot grow, the server ends its connections and starts over.
    assert.ok(refused === DISK_FULL || /terminat|57P02|ECONNRESET/.test(refused), refused);
    await running;
    await open.end().catch(() => {});
    await assertHealed();
  });

  test('all processes die of a kill, and what was committed is there afterwards', async () => {
    const open = await client();
    assert.equal(await refusal(open), undefined);
    const rows = async (asked: pg.Client): Promise<number> =>
      (await asked.query<{ n: number }>('SELECT count(*)::int AS n FROM kept')).rows[0]?.n ?? 0;
    const committed = await rows(open);
    const ended = gone(open);
    const running = injector.run([faultOf('kill -9', 'database', 200)], never);
    await ended;
    await running;
    const anew = await client();
    assert.equal(await rows(anew), committed);
    await anew.end();
    await assertHealed();
  });

  test('a stopped server says nothing until it goes on', async () => {
    const open = await client();
    const running = injector.run([faultOf('SIGSTOP', 'database')], never);
    await eventually('silence', async () => {
      const startedMs = performance.now();
      await open.query('SELECT 1');
      return performance.now() - startedMs > LASTS_MS / 2 ? true : undefined;
    });
    await running;
    await open.end();
    await assertHealed();
  });

  test('every connection is ended, and a new one is in order', async () => {
    const open = await client();
    const ended = gone(open);
    await injector.run([faultOf('ends its connections', 'database', 0)], never);
    await ended;
    await assertHealed();
  });
});

describe('on lines', () => {
  test('what met nothing is told and not counted; what met something is', async () => {
    const target = createServer((socket) => socket.on('error', () => {}).pipe(socket));
    target.listen(0, '127.0.0.1');
    await once(target, 'listening');
    const address = target.address();
    assert.ok(address !== null && typeof address === 'object');
    const line = (): FaultProxy => new FaultProxy({ host: '127.0.0.1', port: address.port });
    const lines = { operator: line(), callbacks: line(), requests: [line(), line()] };
    const databaseLines = [line(), line()];
    const servers = { volume: { path: '', notMounted: undefined }, lines: databaseLines } as unknown as FaultDatabase;
    const proxies = [lines.operator, ...databaseLines, lines.callbacks, ...lines.requests];
    for (const proxy of proxies) await proxy.listen();
    const kinds = ['cut', 'half-open', 'slow'] as const;
    const parts = ['operator link', 'database links', 'customer link'] as const;
    const faults = parts.flatMap((part) => kinds.map((kind) => faultOf(kind, part, 50)));
    const inVain = injectorOf({ servers, lines, mood: new OperatorMood(1) });
    await inVain.run(faults, never);
    assert.deepEqual([inVain.injected.length, inVain.notices.length], [0, faults.length]);
    assert.match(inVain.notices[0] ?? '', /^nothing was there to be harmed: .*operator link: cut/);

    const busy = injectorOf({ servers, lines, mood: new OperatorMood(1) });
    const talking = setInterval(() => {
      for (const { port } of proxies)
        connect({ host: '127.0.0.1', port })
          .on('error', () => {})
          .end('hello')
          .resume();
    }, 5);
    await busy.run(faults, never).finally(() => clearInterval(talking));
    assert.deepEqual(busy.notices, []);
    assert.equal(busy.injected.length, faults.length);
    assert.ok(lines.requests.every(({ met }) => met > 0) && lines.callbacks.met > 0, 'both ways of the customer');
    for (const proxy of proxies) await proxy.stop();
    target.close();
  });
});

describe('on nodes', () => {
  const mood = Object.assign(new OperatorMood(1), { unheard: 5 });
  const node = { process: { signal: () => {} }, kill: async () => {}, start: async () => {} };
  const faults = [faultOf('kill -9', 'node-1', 1), faultOf('SIGSTOP', 'node-2', 1)];

  async function inFlight(query: () => Promise<unknown>): Promise<{ onLines: number; inNodes: number[] }> {
    const injector = injectorOf({
      servers: { volume: { path: '' } },
      nodes: [node, node],
      database: { query },
      mood,
    } as unknown as Faulty);
    await injector.run(faults, never);
    return injector.inFlightAtCuts();
  }

  test('what each had claimed is in flight, beside what the operator’s lines tell', async () => {
    assert.deepEqual(await inFlight(async () => [{ msgid: 1, epoch: 2, segments: 3 }]), {
      onLines: 5,
      inNodes: [3, 3],
    });
  });

  test('where the database can’t tell it, each may have filled every window', async () => {
    const lost = async (): Promise<never> => {
      throw new Error('the connection is lost');
    };
    const most = OPERATOR.window * OPERATOR.links;
    assert.deepEqual(await inFlight(lost), { onLines: 5, inNodes: [most, most] });
  });
});
