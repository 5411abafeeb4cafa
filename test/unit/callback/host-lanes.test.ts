import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { type Attempt, HostLanes } from '../../../src/callback/host-lanes.ts';

interface Row {
  readonly host: string;
}

function lanes(concurrency = 16, concurrencyPerHost = 8): HostLanes<Row> {
  return new HostLanes<Row>({ concurrency, concurrencyPerHost });
}

function offer(to: HostLanes<Row>, host: string, rows: number): number {
  let taken = 0;
  for (let n = 0; n < rows; n += 1) if (to.offer({ host })) taken += 1;
  return taken;
}

function startAll(of: HostLanes<Row>): Attempt<Row>[] {
  const started: Attempt<Row>[] = [];
  for (let attempt = of.next(); attempt; attempt = of.next()) started.push(attempt);
  return started;
}

const hostsOf = (attempts: readonly Attempt<Row>[]) => attempts.map((attempt) => attempt.row.host);

/** Lets a host answer until it has proven itself. */
function prove(which: HostLanes<Row>, host: string, answers: number): void {
  for (let n = 0; n < answers; n += 1) {
    assert.ok(which.offer({ host }));
    const attempt = which.next();
    assert.ok(attempt);
    which.finished(attempt, true);
  }
}

describe('the lanes of the hosts', () => {
  test('hosts are served in turn, whoever came first', () => {
    const some = lanes();
    offer(some, 'a', 3);
    offer(some, 'b', 2);
    offer(some, 'c', 1);
    assert.deepEqual(hostsOf(startAll(some)), ['a', 'b', 'c', 'a', 'b', 'a']);
  });

  test('a new host gets four places, one more with each answer up to its bound, and half with each silence', () => {
    const some = lanes(64, 8);
    offer(some, 'a', 30);
    let running = startAll(some);
    assert.equal(running.length, 4);
    for (const attempt of running.splice(0, 4)) some.finished(attempt, true);
    running = startAll(some);
    assert.equal(running.length, 8);
    for (const attempt of running.splice(0, 8)) some.finished(attempt, true);
    running = startAll(some);
    assert.equal(running.length, 8);
    for (const attempt of running.splice(0, 8)) some.finished(attempt, false);
    assert.equal(startAll(some).length, 1);
    assert.equal(some.isDown('a'), true);
  });

  test('hosts that have not answered share one half of the places; proven ones may use all', () => {
    const some = lanes(16, 8);
    prove(some, 'good', 8);
    for (let n = 0; n < 20; n += 1) offer(some, `new${n}`, 1);
    offer(some, 'good', 20);
    const started = startAll(some);
    assert.equal(started.filter((attempt) => attempt.row.host !== 'good').length, 8);
    assert.equal(started.filter((attempt) => attempt.row.host === 'good').length, 8);
    const silent = started.find((attempt) => attempt.row.host === 'new0');
    assert.ok(silent);
    some.finished(silent, false);
    assert.deepEqual(hostsOf(startAll(some)), ['new8']);
  });

  test('a host that turns silent leaves the proven ones and gives back what it can no longer take soon', () => {
    let nowMs = 0;
    const now = mock.method(performance, 'now', () => nowMs);
    const some = lanes(16, 8);
    prove(some, 'a', 8);
    assert.equal(offer(some, 'a', 500), 500);
    startAll(some);
    assert.equal(some.wantsMore(), false);
    assert.deepEqual(some.review(), []);
    nowMs = 600;
    const excess = some.review();
    assert.equal(excess.length, 500 - 8 - 8);
    assert.equal(some.waiting, 8);
    assert.equal(some.wantsMore(), true);
    assert.deepEqual(some.fullHosts(), ['a']);
    now.mock.restore();
  });

  test('a flood for a host that has not answered is refused early and leaves room for others', () => {
    const some = lanes();
    const taken = offer(some, 'flood', 1_000);
    assert.ok(taken > 0 && taken <= 125, `${taken} taken`);
    assert.deepEqual(some.fullHosts(), ['flood']);
    for (let n = 0; n < 50; n += 1) assert.equal(offer(some, `other${n}`, 1), 1);
    assert.equal(some.wantsMore(), true);
  });

  test('parked rows and new ones of a host get half its lane each and go in alternation', () => {
    const some = lanes(16, 8);
    prove(some, 'a', 8);
    some.noteParked('a', true);
    assert.equal(offer(some, 'a', 500), 250);
    assert.deepEqual(some.parkedRoom(1_000), [{ host: 'a', rows: 250 }]);
    for (let n = 0; n < 4; n += 1) some.takeParked({ host: 'a', parked: true } as Row);
    const started = startAll(some);
    assert.equal(started.filter((attempt) => 'parked' in attempt.row).length, 4);
    assert.equal(started.length, 8);
    some.noteParked('a', false);
    assert.deepEqual(some.parkedRoom(1_000), []);
  });

  test('a bounded claim of parked rows goes round the hosts', () => {
    const some = lanes(16, 8);
    for (const host of ['a', 'b', 'c']) {
      prove(some, host, 8);
      some.noteParked(host, true);
    }
    assert.deepEqual(
      [1, 2, 3].map(() => some.parkedRoom(10).map((wanted) => wanted.host)),
      [['a'], ['b'], ['c']],
    );
  });

  test('emptied lanes start nothing, and what runs still frees its place', () => {
    const some = lanes(2, 2);
    offer(some, 'a', 3);
    const [attempt] = startAll(some);
    assert.ok(attempt);
    assert.equal(some.running, 1);
    assert.equal(some.clear().length, 2);
    assert.equal(some.waiting, 0);
    some.abandon(attempt);
    some.abandon(attempt);
    assert.equal(some.running, 0);
    assert.equal(some.next(), undefined);
  });
});
