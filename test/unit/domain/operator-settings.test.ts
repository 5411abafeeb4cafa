import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  operatorSettingFields,
  parseOperatorSettings,
  STATUS_OUTCOMES,
  statusOverrideKey,
} from '../../../src/domain/operator-settings.ts';
import { STATES } from '../../../src/domain/states.ts';

const REQUIRED = { host: 'smsc.example', systemId: 'feige', password: 'secret-word' };

function mistakesOf(input: unknown): string[] {
  const parsed = parseOperatorSettings(input);
  assert.equal(parsed.ok, false);
  return parsed.ok ? [] : parsed.mistakes;
}

test('host, system_id and password are enough, everything else has its documented default', () => {
  const parsed = parseOperatorSettings(REQUIRED);
  assert.deepEqual(parsed, {
    ok: true,
    settings: {
      ...REQUIRED,
      port: 2775,
      tls: false,
      systemType: '',
      bindMode: 'transceiver',
      links: 1,
      window: 100,
      throttle: 200,
      responseTimeoutMs: 10_000,
      enquireLinkMs: 30_000,
      serviceType: '',
      sourceAddress: '',
      sourceTon: 0,
      sourceNpi: 0,
      destinationForm: 'international',
      destinationTon: 1,
      destinationNpi: 1,
      defaultAlphabet: 'gsm7',
      utcOffsetMinutes: 480,
      idForm: 'auto',
      concatenation: 'udh',
      unknownPolicy: 'resend',
      querySm: false,
      prefixes: [''],
      priority: 100,
      statusOverrides: {},
    },
  });
});

test('defaults are not shared between two operators', () => {
  const first = parseOperatorSettings(REQUIRED);
  const second = parseOperatorSettings(REQUIRED);
  assert.ok(first.ok && second.ok);
  first.settings.prefixes.push('886');
  assert.deepEqual(second.settings.prefixes, ['']);
});

test('the input is not changed by filling in defaults', () => {
  const input = { ...REQUIRED };
  parseOperatorSettings(input);
  assert.deepEqual(input, REQUIRED);
});

test('every wrong field is named in one go, each once, and says what it must be', () => {
  const mistakes = mistakesOf({
    systemId: 'feige',
    password: 7,
    port: 99_999,
    bindMode: 'sideways',
    prefixes: ['886', '+81', 'x'],
    statusOverrides: { '0x45': 'maybe' },
    colour: 'red',
  });
  assert.deepEqual(
    new Set(mistakes.map((mistake) => mistake.split(' ')[0])),
    new Set(['bindMode', 'colour', 'host', 'password', 'port', 'prefixes', 'statusOverrides']),
  );
  assert.equal(mistakes.length, 7);
  assert.ok(mistakes.includes('port must be a port number from 1 to 65535'));
  assert.ok(mistakes.includes('bindMode must be transceiver or transmitter+receiver'));
  assert.ok(mistakes.includes('colour is not a setting of an operator'));
});

test('a mistake never repeats a value, so a password cannot leak through it', () => {
  const mistakes = mistakesOf({ ...REQUIRED, password: 'p'.repeat(65) });
  assert.equal(mistakes.length, 1);
  assert.doesNotMatch(mistakes.join(), /ppp/);
});

for (const input of [null, undefined, 'host=x', 3, []]) {
  test(`${JSON.stringify(input)} is not settings`, () => {
    assert.deepEqual(mistakesOf(input), ['the settings of an operator must be an object']);
  });
}

for (const [field, good, bad] of [
  ['links', [1, 32], [0, 33, 1.5, '2']],
  ['window', [1, 1000], [0, 1001]],
  ['throttle', [0.5, 20_000], [0, -1, 100_001]],
  ['utcOffsetMinutes', [-720, 0, 840], [-721, 841]],
  ['sourceTon', [0, 255], [-1, 256]],
  ['tls', [true], ['on', 1]],
  ['host', ['::1', 'a.b'], ['', 'http://a', 'a b']],
] as const) {
  test(`${field} keeps its bounds`, () => {
    for (const value of good)
      assert.equal(parseOperatorSettings({ ...REQUIRED, [field]: value }).ok, true, String(value));
    for (const value of bad)
      assert.match(mistakesOf({ ...REQUIRED, [field]: value }).join(), new RegExp(`^${field} must be`));
  });
}

test('status overrides have one form however their keys were written', () => {
  for (const key of ['0B', '0x0b', '0x0000000B', 'b']) {
    const parsed = parseOperatorSettings({ ...REQUIRED, statusOverrides: { [key]: 'retry' } });
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.settings.statusOverrides, { [statusOverrideKey(0x0b)]: 'retry' });
  }
  assert.match(mistakesOf({ ...REQUIRED, statusOverrides: { zz: 'retry' } }).join(), /^statusOverrides must be/);
});

test('every outcome can be chosen for a status, and every state but those of success is one', () => {
  const outcomes = new Set<string>(STATUS_OUTCOMES);
  assert.deepEqual(
    STATES.filter((state) => !outcomes.has(state)),
    ['DELIVRD', 'ACCEPTD'],
  );
  for (const outcome of STATUS_OUTCOMES) {
    assert.equal(parseOperatorSettings({ ...REQUIRED, statusOverrides: { '0x1': outcome } }).ok, true);
  }
});

test('every field says what it must be and of what kind it is', () => {
  const fields = operatorSettingFields();
  assert.ok(fields.every((field) => field.mustBe !== ''));
  assert.deepEqual(
    fields.filter((field) => field.required).map((field) => field.name),
    ['host', 'systemId', 'password'],
  );
  const kinds = Object.fromEntries(fields.map((field) => [field.name, field.kind]));
  assert.deepEqual(
    [kinds.host, kinds.port, kinds.tls, kinds.prefixes, kinds.statusOverrides, kinds.bindMode, kinds.refundUndelivered],
    ['text', 'number', 'boolean', 'list', 'pairs', 'text', 'boolean'],
  );
});
