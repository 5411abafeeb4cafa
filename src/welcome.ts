/** The table that a start prints: what is where, and what can be tried at once. */
import type { Config } from './config.ts';
import type { Platform } from './platform.ts';
import { DEMO_ACCOUNTS, DEMO_NUMBER } from './store/demo-accounts.ts';

export function welcome(config: Config, platform: Platform): string {
  const { addresses } = platform;
  const lines = [
    '',
    '  Feige 飛鴿 is up.',
    '',
    row('API', addresses.http),
    ...(addresses.https ? [row('', addresses.https + (config.tls ? '' : '  (self-signed certificate)'))] : []),
    ...(addresses.metrics ? [row('Metrics', addresses.metrics)] : []),
    ...(addresses.smsc ? [row('Operator', `${addresses.smsc}  (simulated, SMPP 3.4)`)] : []),
    ...(addresses.telephone ? [row('Telephone', `${addresses.telephone}  (simulated, SIP)`)] : []),
    ...(addresses.smsc ? [row('Handsets', `${addresses.http}/simulator/handsets`)] : []),
    row('Database', platform.embeddedDatabase ? `PostgreSQL under ${config.dataDir}` : 'DATABASE_URL'),
  ];
  return [...lines, ...(addresses.smsc ? sandbox(addresses.http) : []), ''].join('\n');
}

function row(name: string, value: string): string {
  return `  ${name.padEnd(12)}${value}`;
}

function sandbox(http: string): string[] {
  const accounts = DEMO_ACCOUNTS.map(
    ({ username, password, points, shows }) =>
      `  ${username.padEnd(12)}${password.padEnd(12)}${String(points).padStart(8)}  ${shows}`,
  );
  return [
    '',
    `  ${'Account'.padEnd(12)}${'Password'.padEnd(12)}${'Points'.padStart(8)}  (at first)`,
    ...accounts,
    '',
    '  Send a message, see it on the phone, ask what became of it, answer it:',
    `    curl '${http}/json/sms_send.php?username=test&password=1234&mobile=0911222333&message=Hello'`,
    `    curl '${http}/simulator/handsets/0911222333/messages'`,
    `    curl '${http}/json/sms_query.php?username=test&password=1234&mobile=0911222333&msgid=MSGID'`,
    `    curl -X POST '${http}/simulator/handsets/0911222333/messages' -d '{"to":"${DEMO_NUMBER.address}","text":"Hi"}'`,
    `    curl '${http}/json/smsmo_query.php?username=test123&password=1234test&snumber=${DEMO_NUMBER.snumber}'`,
    '',
    '  Call a telephone, ask what became of it, hear what it heard:',
    `    curl '${http}/send_voice.php?username=test&password=1234&type=1&phone=0911222333&message=Hello'`,
    `    curl '${http}/query_voice.php?username=test&password=1234&msgid=MSGID'`,
    `    curl '${http}/simulator/handsets/0911222333/calls'`,
  ];
}
