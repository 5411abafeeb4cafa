import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { Authenticator, type Authentication } from '../../../src/http/authenticate.ts';
import { ClientAddresses } from '../../../src/http/client-address.ts';
import type { Account } from '../../../src/store/accounts.ts';

const RIGHT = 'right-password';
const HOME = '192.0.2.1';

function account(username: string, settings: Partial<Account> = {}): Account {
  return {
    accountId: username.length,
    username,
    passwordHash: `hash of ${username}`,
    state: 'active',
    api: true,
    international: false,
    ipAllow: [],
    textEncoding: 'auto',
    doubleEncoding: 'auto',
    incomingUrl: undefined,
    sourceAddress: undefined,
    share: 1,
    version: 1,
    balance: 0,
    ...settings,
  };
}

/** An authenticator whose hashing is replaced by a comparison that counts, and can be held. */
class Guarded {
  /** The stored hashes that were compared with, in order. */
  readonly order: string[] = [];
  running = 0;
  mostRunning = 0;
  gate: Promise<void> = Promise.resolve();
  /** Connections on which somebody got in. */
  readonly verified: unknown[] = [];
  readonly accounts: Map<string, Account>;
  readonly authenticator: Authenticator;

  constructor(accounts: Account[], pauseMs: number, processors = 4) {
    this.accounts = new Map(accounts.map((known) => [known.username, known]));
    this.authenticator = new Authenticator({
      accounts: { find: (username) => this.accounts.get(username) ?? Promise.resolve(undefined) },
      addresses: new ClientAddresses({ trustedProxies: [] }),
      onVerified: (connection) => this.verified.push(connection),
      pauseMs,
      processors,
      verify: async (password, passwordHash) => {
        this.order.push(passwordHash);
        this.mostRunning = Math.max(this.mostRunning, ++this.running);
        await this.gate;
        this.running--;
        return password === RIGHT;
      },
    });
  }

  get hashes(): number {
    return this.order.length;
  }

  ask(username: string, password: string, from = HOME): Authentication | Promise<Authentication> {
    return this.askOver({ remoteAddress: from }, username, password);
  }

  /** @param socket the connection, as far as it is looked at */
  askOver(socket: object, username: string, password: string): Authentication | Promise<Authentication> {
    return this.authenticator.authenticate(username, password, { socket, headers: {} } as unknown as IncomingMessage);
  }

  async codeOf(username: string, password: string, from = HOME): Promise<string> {
    const authentication = await this.ask(username, password, from);
    return authentication.ok ? '00000' : authentication.code;
  }
}

const LONG_PAUSE_MS = 60_000;

/** Whether the answer is there without waiting for any timer. */
async function isAnsweredAtOnce(answer: Authentication | Promise<Authentication>): Promise<boolean> {
  const later = new Promise<'later'>((resolve) => setTimeout(resolve, 20, 'later'));
  return (await Promise.race([answer, later])) !== 'later';
}

test('a verified credential costs one hash, and is answered without a promise afterwards', async () => {
  const guarded = new Guarded([account('test')], LONG_PAUSE_MS);
  assert.equal(await guarded.codeOf('test', RIGHT), '00000');
  for (let turn = 0; turn < 100; turn++) assert.ok(!(guarded.ask('test', RIGHT) instanceof Promise));
  assert.equal(guarded.hashes, 1);
});

test('the server is told of the connections of those who get in, and of no others', async () => {
  const closed = account('closed', { state: 'disabled' });
  const guarded = new Guarded([account('test'), closed], 0);
  const [known, another, wrong] = [{ remoteAddress: HOME }, { remoteAddress: HOME }, { remoteAddress: HOME }];
  await guarded.askOver(known, 'test', RIGHT);
  await guarded.askOver(another, 'test', RIGHT);
  await guarded.askOver(wrong, 'test', 'wrong-password');
  await guarded.askOver(wrong, 'closed', RIGHT);
  assert.deepEqual(guarded.verified, [known, another]);
  assert.equal(guarded.verified[1], another);
});

test('the same credential asked for many times at once costs one hash', async () => {
  const guarded = new Guarded([account('test')], LONG_PAUSE_MS);
  const codes = await Promise.all(Array.from({ length: 200 }, () => guarded.codeOf('test', RIGHT)));
  assert.ok(codes.every((code) => code === '00000'));
  assert.equal(guarded.hashes, 1);
});

test('unknown accounts and malformed credentials are answered without a hash', async () => {
  const guarded = new Guarded([], LONG_PAUSE_MS);
  assert.equal(await guarded.codeOf('nobody', RIGHT), '00011');
  assert.equal(await guarded.codeOf('no body', RIGHT), '00010');
  assert.equal(await guarded.codeOf('nobody', '123'), '00010');
  assert.equal(guarded.hashes, 0);
});

test('a change of password forgets the old one, and what was wrong may be right then', async () => {
  const guarded = new Guarded([account('test')], LONG_PAUSE_MS);
  await guarded.codeOf('test', RIGHT);
  guarded.accounts.set('test', account('test', { passwordHash: 'another' }));
  assert.equal(await guarded.codeOf('test', RIGHT), '00000');
  assert.equal(guarded.hashes, 2);
});

for (const [processors, most] of [
  [1, 1],
  [2, 1],
  [3, 2],
  [64, 2],
] as const) {
  test(`on ${processors} processors at most ${most} hashes run at once`, async () => {
    const accounts = ['a', 'bb', 'ccc', 'dddd', 'eeeee'].map((username) => account(username));
    const guarded = new Guarded(accounts, LONG_PAUSE_MS, processors);
    await Promise.all(accounts.map(({ username }) => guarded.codeOf(username, RIGHT)));
    assert.equal(guarded.mostRunning, most);
    assert.equal(guarded.hashes, 5);
  });
}

test('after ten wrong guesses a client’s guesses at that account are not hashed, and answered after a pause', async () => {
  const guarded = new Guarded([account('test'), account('other')], LONG_PAUSE_MS);
  for (let guess = 0; guess < 10; guess++) assert.equal(await guarded.codeOf('test', `wrong-${guess}`), '00012');
  assert.equal(guarded.hashes, 10);
  assert.equal(await isAnsweredAtOnce(guarded.ask('test', 'wrong-again')), false);
  assert.equal(await isAnsweredAtOnce(guarded.ask('test', RIGHT)), false);
  assert.equal(guarded.hashes, 10);
  assert.equal(await guarded.codeOf('other', RIGHT), '00000', 'another account from the same address');
  assert.equal(await guarded.codeOf('test', RIGHT, '192.0.2.2'), '00000', 'the account’s client elsewhere');
  assert.ok(!(guarded.ask('test', RIGHT) instanceof Promise), 'verified elsewhere, it holds from here too');
});

test('a paused answer comes in the end', async () => {
  const guarded = new Guarded([account('test')], 5);
  for (let guess = 0; guess < 12; guess++) assert.equal(await guarded.codeOf('test', `wrong-${guess}`), '00012');
  assert.equal(guarded.hashes, 10);
});

test('guesses at many accounts from one address, or one /64, are bounded together', async () => {
  const accounts = Array.from({ length: 80 }, (_, index) => account(`user${index}`, { accountId: index }));
  for (const from of ['192.0.2.9', '2001:db8::']) {
    const guarded = new Guarded(accounts, 0);
    for (const { username, accountId } of accounts) {
      await guarded.codeOf(username, 'wrong', from.includes(':') ? `${from}${accountId + 1}` : from);
    }
    assert.ok(guarded.hashes >= 50 && guarded.hashes <= 52, `${guarded.hashes} hashes`);
  }
});

test('a client with an old password does not use up the guesses of its neighbours', async () => {
  const guarded = new Guarded([account('test')], 0);
  for (let turn = 0; turn < 200; turn++) assert.equal(await guarded.codeOf('test', 'old-password'), '00012');
  assert.equal(guarded.hashes, 1);
  assert.equal(await guarded.codeOf('test', RIGHT), '00000');
});

test('failures that cost nothing are answered after a pause when there are many', async () => {
  const guarded = new Guarded([account('test')], LONG_PAUSE_MS);
  for (let turn = 0; turn < 50; turn++) assert.equal(await guarded.codeOf(`nobody${turn}`, 'wrong'), '00011');
  assert.equal(await isAnsweredAtOnce(guarded.ask('nobody', 'wrong')), false);
  assert.equal(await guarded.codeOf('nobody', 'wrong', '192.0.2.77'), '00011');
  assert.equal(await guarded.codeOf('test', RIGHT), '00000', 'a right password from the same address');
});

test('however many addresses unknown accounts come from, only so many are answered at once', async () => {
  const guarded = new Guarded([], LONG_PAUSE_MS);
  const startedMs = performance.now();
  let answered = 0;
  for (let index = 0; index < 2_000; index++) {
    void guarded.codeOf(`nobody${index}`, RIGHT, `198.51.${index >> 8}.${index & 255}`).then(() => answered++);
  }
  // What is answered at once waits for no timer: it is there after one turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  const most = 501 + (performance.now() - startedMs) / 4;
  assert.ok(answered >= 500 && answered <= most, `${answered} answers, at most ${most}`);
});

test('a flood of guesses at one account does not keep another from its hash, and is turned away slowly', async () => {
  const guarded = new Guarded([account('victim'), account('other')], 100);
  const { promise, resolve } = Promise.withResolvers<void>();
  guarded.gate = promise;
  const startedMs = performance.now();
  const turnedAway: number[] = [];
  const guessFrom = async (index: number): Promise<string> => {
    const code = await guarded.codeOf('victim', `guess-${index}`, `198.51.${Math.floor(index / 5)}.1`);
    if (code === '99998') turnedAway.push(performance.now() - startedMs);
    return code;
  };
  const flood = Array.from({ length: 300 }, (_, index) => guessFrom(index));
  const other = guarded.codeOf('other', RIGHT);
  resolve();
  assert.equal(await other, '00000');
  const place = guarded.order.indexOf('hash of other');
  assert.ok(place <= 3, `${place} hashes came first`);
  const codes = new Set(await Promise.all(flood));
  assert.deepEqual(codes, new Set(['00012', '99998']));
  assert.ok(guarded.hashes < 20, `${guarded.hashes} hashes`);
  // A timer may be a millisecond early, not more.
  assert.ok((turnedAway[0] ?? 0) >= 99, `the first after ${turnedAway[0]} ms`);
  assert.ok((turnedAway.at(-1) ?? 0) >= 99 + 2 * (turnedAway.length - 1), `the last after ${turnedAway.at(-1)} ms`);
});

test('a connection that guesses on while its refusal waits is closed, and others from there are not', async () => {
  const guarded = new Guarded([account('test')], LONG_PAUSE_MS);
  for (let guess = 0; guess < 10; guess++) await guarded.codeOf('test', `wrong-${guess}`);
  let closed = 0;
  const [hasty, patient] = [0, 1].map(() => ({ remoteAddress: HOME, destroy: () => closed++ })) as [object, object];
  assert.equal(await isAnsweredAtOnce(guarded.askOver(hasty, 'test', 'guess-1')), false);
  assert.equal(await isAnsweredAtOnce(guarded.askOver(patient, 'test', 'guess-2')), false);
  assert.equal(closed, 0);
  await guarded.askOver(hasty, 'test', 'guess-3');
  assert.equal(closed, 1);
});

test('00040, 00041 and 00030 come after the password, in this order', async () => {
  const guarded = new Guarded(
    [
      account('disabled', { state: 'disabled', api: false, ipAllow: ['203.0.113.1'] }),
      account('noapi', { api: false, ipAllow: ['203.0.113.1'] }),
      account('badip', { ipAllow: ['203.0.113.1'] }),
      account('goodip', { ipAllow: ['203.0.113.1', '192.0.2.0/24'] }),
    ],
    LONG_PAUSE_MS,
  );
  const codes = { disabled: '00040', noapi: '00041', badip: '00030', goodip: '00000' };
  for (const [username, code] of Object.entries(codes)) {
    assert.equal(await guarded.codeOf(username, 'wrong'), '00012');
    assert.equal(await guarded.codeOf(username, RIGHT), code);
    assert.equal(await guarded.codeOf(username, RIGHT), code);
  }
});
