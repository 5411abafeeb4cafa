import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { DatabaseHosts } from '../../../src/store/database-hosts.ts';
import { type ScriptedPostgres, startScriptedPostgres } from '../../harness/scripted-postgres.ts';

/** A connection to a server that says nothing is given up after 5 s. */
const BEFORE_A_CONNECTION_GIVES_UP_MS = 4_500;
/** A look under way, the pause after it, and the second in which others may say that they are newer: 2, 2 and 1 s. */
const FOUND_BY_THE_NEXT_LOOK_MS = 6_500;

interface Pair {
  readonly primary: ScriptedPostgres;
  readonly standby: ScriptedPostgres;
  readonly hosts: DatabaseHosts;
  /** Looks for a successor from now on; `onMoved` is called when connections are to move. */
  readonly watch: (onMoved: () => void) => void;
}

/** A primary that is known, and its standby. */
async function startPair(t: TestContext): Promise<Pair> {
  const primary = await startScriptedPostgres({ kind: 'primary', timeline: 1 });
  const standby = await startScriptedPostgres({ kind: 'standby' });
  const hosts = new DatabaseHosts(`postgres://user@${primary.host},${standby.host}/database`);
  t.after(async () => {
    await hosts.stop();
    primary.stop();
    standby.stop();
  });
  await (await hosts.connect({})).end();
  return {
    primary,
    standby,
    hosts,
    watch: (onMoved) => hosts.watch({ log: createLogger({ level: 'silent' }), onMoved }),
  };
}

function portOf({ host }: ScriptedPostgres): number {
  return Number(host.split(':')[1]);
}

test('a connection that a silent primary holds up is made to its successor as soon as that is found', async (t) => {
  const { primary, standby, hosts, watch } = await startPair(t);
  const firstLook = Promise.all([primary.answered(), standby.answered()]);
  watch(() => {});
  await firstLook;
  primary.state = { kind: 'mute' };
  standby.state = { kind: 'primary', timeline: 2 };
  const startedMs = performance.now();
  const client = await hosts.connect({});
  const tookMs = performance.now() - startedMs;
  assert.equal(client.port, portOf(standby));
  await client.end();
  assert.ok(tookMs < BEFORE_A_CONNECTION_GIVES_UP_MS, `${Math.round(tookMs)} ms`);
});

test('a silent primary does not hide its successor from the next look', async (t) => {
  const { primary, standby, watch } = await startPair(t);
  const moved = Promise.withResolvers<void>();
  primary.state = { kind: 'mute' };
  const answered = standby.answered();
  watch(() => moved.resolve());
  // The look under way, held up by the primary, has heard that this is a standby.
  await answered;
  standby.state = { kind: 'primary', timeline: 2 };
  const startedMs = performance.now();
  await moved.promise;
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < FOUND_BY_THE_NEXT_LOOK_MS, `${Math.round(tookMs)} ms`);
});

test('a successor that a new connection found first is told to those that were made before', async (t) => {
  const { primary, standby, hosts, watch } = await startPair(t);
  const firstLook = Promise.all([primary.answered(), standby.answered()]);
  let moves = 0;
  watch(() => {
    moves += 1;
  });
  await firstLook;
  primary.state = { kind: 'standby' };
  standby.state = { kind: 'primary', timeline: 2 };
  const client = await hosts.connect({});
  assert.equal(client.port, portOf(standby));
  await client.end();
  assert.equal(moves, 1);
});
