import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { parseOperatorSettings } from '../../../src/domain/operator-settings.ts';
import { OperatorLink } from '../../../src/sms/operator-link.ts';
import { FaultProxy } from '../../faults/fault-proxy.ts';
import { startScriptedOperator } from '../../harness/scripted-operator.ts';

const HOST = '127.0.0.1';
/** Attempts after which the next pause is 2 s or more, and were 4 s or more after another one. */
const ATTEMPTS = 3;
const AT_ONCE_MS = 2_000;

test('a link that falls is bound again at once, however long its operator could not be reached before', async (t) => {
  const operator = await startScriptedOperator((submit) => submit.accept(`id${submit.n}`));
  const line = new FaultProxy({ host: HOST, port: operator.port });
  const parsed = parseOperatorSettings({ host: HOST, port: await line.listen(), systemId: 'a', password: 'b' });
  assert.ok(parsed.ok);
  const changes = new EventEmitter();
  const link = new OperatorLink({
    name: 'operator/0',
    settings: parsed.settings,
    log: createLogger({ level: 'silent' }),
    mayWrite: () => true,
    onDeliver: (_, respond) => respond(0),
    onLateResponse: () => {},
    onChange: (bound) => changes.emit(bound ? 'bound' : 'down'),
  });
  t.after(async () => {
    await link.stop();
    await line.stop();
    await operator.stop();
  });
  const bound = once(changes, 'bound');
  link.start();
  await bound;
  line.setState({ kind: 'closed' });
  for (let attempt = 0; attempt <= ATTEMPTS; attempt += 1) await once(changes, 'down');
  line.setState({ kind: 'open' });
  await once(changes, 'bound');
  line.cutAll();
  const fellMs = performance.now();
  await once(changes, 'bound');
  const took = performance.now() - fellMs;
  assert.ok(took < AT_ONCE_MS, `${took} ms`);
});
