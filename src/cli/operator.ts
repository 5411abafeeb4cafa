/** `feige operator …`: the operators (SMSCs) that messages go through. Passwords are never shown. */
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { operatorSettingFields, parseOperatorSettings } from '../domain/operator-settings.ts';
import type { Operator } from '../store/operators.ts';
import { CommandFailure, EXIT_USAGE, noSuchOperator, withProblems } from './failure.ts';
import { addSettingOptions, optionName, readSettings, writeValue } from './setting-options.ts';
import { testCommand } from './operator-test.ts';
import { count, type JsonOption, onOff, pairs, print, tableOr } from './output.ts';
import { type PasswordOptions, readPassword } from './password-input.ts';
import { withDatabase } from './platform.ts';
import { jsonOption, parseOperatorName, switchOption } from './values.ts';

/** Every node has read a change by then (spec: within 5 s). */
const NODES_KNOW_AFTER_MS = 5_000;

const OPERATOR = { fields: operatorSettingFields, parse: parseOperatorSettings };

type SettingOptions = JsonOption & PasswordOptions & { enabled?: boolean } & Record<string, unknown>;

export function operatorCommand(): Command {
  const operator = new Command('operator');
  operator.addCommand(addCommand());
  operator.addCommand(setCommand());
  operator.addCommand(listCommand());
  operator.addCommand(showCommand());
  operator.addCommand(removeCommand());
  operator.addCommand(testCommand());
  return operator;
}

function addCommand(): Command {
  const command = new Command('add')
    .description('add an operator; running nodes bind to it within 5 seconds')
    .argument('<name>', 'how it is called here', parseOperatorName)
    .addOption(switchOption('--enabled', 'whether messages go through it (default: on)'));
  return addSettingOptions(command, OPERATOR, { showDefaults: true })
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  feige operator add alpha --host smsc.example --system-id feige --password-stdin < secret.txt\n  feige operator add beta --host 192.0.2.9 --port 3550 --tls on --system-id feige --password-stdin \\\n    --links 2 --throttle 50 --prefixes 81,82 --status-overrides 0x45=retry < secret.txt',
    )
    .action(async (name: string, options: SettingOptions) => {
      const settings = await readSettings(OPERATOR, {}, await withPassword(options));
      const { addOperator } = await import('../store/operators.ts');
      const enabled = options.enabled ?? true;
      const added = await withDatabase((db) => addOperator(db, { name, enabled, settings }));
      if (added.kind === 'exists') throw new CommandFailure(`there is an operator ${name} already`);
      await printOperator(options, added.operator);
    });
}

function setCommand(): Command {
  const command = new Command('set')
    .description('change settings of an operator; running nodes follow within 5 seconds')
    .argument('<name>', 'the operator')
    .addOption(switchOption('--enabled', 'whether messages go through it'));
  return addSettingOptions(command, OPERATOR, { showDefaults: false })
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nWhat is not given stays as it is.\n\nExamples:\n  feige operator set alpha --enabled off\n  feige operator set alpha --throttle 100 --window 50',
    )
    .action(async (name: string, options: SettingOptions) => {
      const given = await withPassword(options);
      const { enabled } = options;
      const { findOperator, updateOperator } = await import('../store/operators.ts');
      const updated = await withDatabase(async (db) => {
        const operator = await findOperator(db, name);
        if (operator === undefined) throw noSuchOperator(name);
        const settings = await readSettings(OPERATOR, operator.settings, given);
        const changed = JSON.stringify(settings) !== JSON.stringify(operator.settings);
        if (!changed && enabled === undefined) {
          throw new CommandFailure('nothing to change: give another value, see "operator set --help"', EXIT_USAGE);
        }
        return updateOperator(db, name, { settings, ...(enabled !== undefined && { enabled }) });
      });
      if (updated.kind === 'unknown-operator') throw noSuchOperator(name);
      await printOperator(options, updated.operator);
    });
}

function listCommand(): Command {
  return new Command('list')
    .description('list operators and how many of their links are bound')
    .addOption(jsonOption())
    .action(async (options: JsonOption) => {
      const { hasLiveNode, listLinkSlots, listOperators, maskedSettings } = await import('../store/operators.ts');
      const { operators, slots, live } = await withDatabase(async (db) => ({
        operators: await listOperators(db),
        slots: await listLinkSlots(db),
        live: await hasLiveNode(db),
      }));
      const boundOf = ({ operatorId }: Operator) =>
        live ? slots.filter((slot) => slot.operatorId === operatorId && slot.bound).length : 0;
      print(
        options,
        operators.map((operator) => ({
          ...operator,
          settings: maskedSettings(operator.settings),
          linksBound: boundOf(operator),
        })),
        () =>
          withProblems(operators, () =>
            tableOr(
              'no operators',
              ['name', 'enabled', 'links bound', 'address', 'system-id', 'throttle', 'prefixes', 'priority'],
              operators.map((operator) => [
                operator.name,
                onOff(operator.enabled),
                `${boundOf(operator)}/${operator.settings.links}`,
                `${operator.settings.host}:${operator.settings.port}${operator.settings.tls ? ' (TLS)' : ''}`,
                operator.settings.systemId,
                operator.settings.throttle,
                operator.settings.prefixes.map((prefix) => prefix || 'any').join(','),
                operator.settings.priority,
              ]),
            ),
          ),
      );
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('show an operator with all its settings')
    .argument('<name>', 'the operator')
    .addOption(jsonOption())
    .action(async (name: string, options: JsonOption) => {
      const { findOperator } = await import('../store/operators.ts');
      const operator = await withDatabase((db) => findOperator(db, name));
      if (operator === undefined) throw noSuchOperator(name);
      await printOperator(options, operator);
    });
}

function removeCommand(): Command {
  return new Command('remove')
    .description('disable an operator, and remove it if no message holds on to it any more')
    .argument('<name>', 'the operator')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nAn operator in use is disabled first, which takes 5 seconds to reach every running node. While messages wait\nfor it or for its receipts it stays, disabled; run the command again when they are done, or switch it on again:\n  feige operator set NAME --enabled on',
    )
    .action(async (name: string, options: JsonOption) => {
      const { hasLiveNode, removeOperator, updateOperator } = await import('../store/operators.ts');
      const removed = await withDatabase(async (db) => {
        const first = await removeOperator(db, name);
        if (first.kind !== 'enabled') return first;
        await updateOperator(db, name, { enabled: false });
        if (await hasLiveNode(db)) await pause(NODES_KNOW_AFTER_MS);
        return removeOperator(db, name);
      });
      switch (removed.kind) {
        case 'unknown-operator':
          throw noSuchOperator(name);
        case 'enabled':
          throw new CommandFailure(`somebody enabled ${name} meanwhile; it was not removed`);
        case 'busy':
          throw new CommandFailure(
            `${name} is disabled, but not removed: ${count(removed.queued + removed.deferred, 'message')} waiting for it, ${count(removed.inFlight, 'segment')} without a receipt; try again when they are done, or switch it on again with "operator set ${name} --enabled on"`,
          );
        case 'removed':
          print(options, { name, removed: true }, () => `${name} is removed`);
      }
    });
}

async function withPassword(options: SettingOptions): Promise<Record<string, unknown>> {
  return { ...options, password: await readPassword(options) };
}

async function printOperator(options: JsonOption, operator: Operator): Promise<void> {
  const { maskedSettings } = await import('../store/operators.ts');
  const settings = maskedSettings(operator.settings);
  print(options, { ...operator, settings }, () =>
    pairs([
      ['name', operator.name],
      ['enabled', onOff(operator.enabled)],
      ...Object.entries(settings).map(([name, value]) => [optionName(name), writeValue(value)] as const),
      ...(operator.passwordProblem === undefined ? [] : [['problem', operator.passwordProblem] as const]),
    ]),
  );
}
