import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, type LogLevel, maskMsisdn } from '../../../src/base/log.ts';

/** What a logger of this level wrote. */
function captured(level: LogLevel, write: (log: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  write(createLogger({ level, destination: { write: (line: string) => lines.push(line) } }));
  return lines.join('');
}

test('passwords, texts and numbers are replaced, also one level below', () => {
  const line = captured('info', (log) => {
    log.info({ password: 'hunter2', request: { message: 'hunter2', mobile: '0911222333' }, msgid: 7 }, 'sent');
  });
  assert.doesNotMatch(line, /hunter2|0911222333/);
  assert.match(line, /"msgid":7/);
  assert.match(line, /"msg":"sent"/);
});

test('lines below the level are not written', () => {
  const line = captured('warn', (log) => {
    log.info('quiet');
    log.warn('loud');
  });
  assert.doesNotMatch(line, /quiet/);
  assert.match(line, /loud/);
});

test('a masked number shows its first four digits and its last two', () => {
  assert.equal(maskMsisdn('886911222333'), '8869***33');
  assert.equal(maskMsisdn('0911222333'), '0911***33');
});

test('a number too short to keep a secret is hidden whole', () => {
  assert.equal(maskMsisdn('123456'), '***');
  assert.equal(maskMsisdn(''), '***');
});
