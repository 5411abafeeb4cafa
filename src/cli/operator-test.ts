/** `feige operator test`: binds once with an operator's own settings, asks for a sign of life, unbinds, and reports. */
import { Command } from 'commander';
import type { OperatorSettings } from '../domain/operator-settings.ts';
import type { BindMode, ConnectTarget } from '../smpp/session.ts';
import { EXIT_FAILED, noSuchOperator, refuseUnreadable } from './failure.ts';
import { type JsonOption, print } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption } from './values.ts';

interface BindReport {
  mode: BindMode;
  bound: boolean;
  /** The command_status of a refusal. */
  status?: number;
  /** Why there is no bind. */
  reason?: string;
  bindMs: number;
  peerSystemId?: string;
  /** Null: enquire_link was not answered in time. */
  enquireLinkMs?: number | null;
}

export function testCommand(): Command {
  return new Command('test')
    .description('bind to an operator once, beside the running links, and report; exit code 1 when that fails')
    .argument('<name>', 'the operator')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nSends no message. Incoming messages that the operator hands to this bind are refused for now, so that the\noperator delivers them again to the platform.\n\nExample:\n  feige operator test alpha',
    )
    .action(async (name: string, options: JsonOption) => {
      const { findOperator } = await import('../store/operators.ts');
      const operator = await withDatabase((db) => findOperator(db, name));
      if (operator === undefined) throw noSuchOperator(name);
      refuseUnreadable(operator);
      const { settings } = operator;
      const modes: BindMode[] = settings.bindMode === 'transceiver' ? ['transceiver'] : ['receiver', 'transmitter'];
      const binds: BindReport[] = [];
      for (const mode of modes) binds.push(await testBind(settings, mode));
      const works = binds.every((bind) => bind.bound && bind.enquireLinkMs !== null);
      const { host, port, tls } = settings;
      print(options, { operator: name, host, port, tls, works, binds }, () =>
        [`${name} at ${host}:${port}${tls ? ' over TLS' : ''}`, ...binds.flatMap(describe)].join('\n'),
      );
      if (!works) process.exitCode = EXIT_FAILED;
    });
}

async function testBind(settings: OperatorSettings, mode: BindMode): Promise<BindReport> {
  const { connectSession } = await import('../smpp/session.ts');
  const { STATUS } = await import('../smpp/command.ts');
  const startedMs = performance.now();
  const result = await connectSession({
    ...targetOf(settings, mode),
    handlers: {
      onDeliver: (_, respond) => respond(STATUS.ESME_RX_T_APPN),
      onClose: () => {},
    },
  });
  const bindMs = rounded(performance.now() - startedMs);
  if (result.kind === 'refused') return { mode, bound: false, status: result.status, bindMs };
  if (result.kind === 'failed') return { mode, bound: false, reason: result.reason, bindMs };
  const enquireLinkMs = await result.session.enquireLink();
  await result.session.close('the test is over');
  return {
    mode,
    bound: true,
    bindMs,
    peerSystemId: result.session.peerSystemId,
    enquireLinkMs: enquireLinkMs === undefined ? null : rounded(enquireLinkMs),
  };
}

function targetOf(settings: OperatorSettings, mode: BindMode): Omit<ConnectTarget, 'handlers'> {
  const { host, port, tls, tlsCa, tlsServername, systemId, password, systemType, window } = settings;
  return {
    host,
    port,
    ...(tls && {
      tls: {
        ...(tlsCa !== undefined && { ca: tlsCa }),
        ...(tlsServername !== undefined && { servername: tlsServername }),
      },
    }),
    bind: { mode, systemId, password, systemType },
    options: { window, responseTimeoutMs: settings.responseTimeoutMs, enquireLinkMs: settings.enquireLinkMs },
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** What the usual refusals mean to whoever set the operator up. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [0x04, 'ESME_RINVBNDSTS: this mode of bind is not allowed here'],
  [0x05, 'ESME_RALYBND: bound already; the operator allows no more binds'],
  [0x08, 'ESME_RSYSERR: a fault on their side'],
  [0x0d, 'ESME_RBINDFAIL: no reason given; address, system_type or number of binds'],
  [0x0e, 'ESME_RINVPASWD: wrong password'],
  [0x0f, 'ESME_RINVSYSID: unknown system_id'],
  [0x53, 'ESME_RINVSYSTYP: wrong system_type'],
  [0x58, 'ESME_RTHROTTLED: too many binds in a short time'],
]);

function describe(bind: BindReport): string[] {
  const { mode, bindMs } = bind;
  if (bind.status !== undefined) {
    const meaning = REFUSALS.get(bind.status);
    const hex = `0x${bind.status.toString(16).padStart(8, '0')}`;
    return [`  bind_${mode}: refused with command_status ${hex}${meaning === undefined ? '' : ` (${meaning})`}`];
  }
  if (!bind.bound) return [`  bind_${mode}: failed after ${bindMs} ms: ${bind.reason ?? ''}`];
  return [
    `  bind_${mode}: bound in ${bindMs} ms to system_id "${bind.peerSystemId ?? ''}"`,
    bind.enquireLinkMs === null
      ? '  enquire_link: not answered'
      : `  enquire_link: answered in ${bind.enquireLinkMs ?? ''} ms`,
  ];
}
