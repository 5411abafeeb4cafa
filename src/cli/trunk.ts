/** `feige trunk …`: the SIP trunks that calls go out through. Passwords are never shown. */
import { Command } from 'commander';
import { parseTrunkSettings, trunkSettingFields } from '../domain/trunk-settings.ts';
import type { Trunk } from '../store/trunks.ts';
import { CommandFailure, EXIT_FAILED, EXIT_USAGE, refuseUnreadable, withProblems } from './failure.ts';
import { type JsonOption, onOff, pairs, print, tableOr } from './output.ts';
import { type PasswordOptions, readPassword } from './password-input.ts';
import { requireConfig, withDatabase } from './platform.ts';
import { addSettingOptions, optionName, readSettings, writeValue } from './setting-options.ts';
import { jsonOption, parseOperatorName, switchOption } from './values.ts';

const TRUNK = { fields: trunkSettingFields, parse: parseTrunkSettings };

type SettingOptions = JsonOption & PasswordOptions & { enabled?: boolean } & Record<string, unknown>;

export function trunkCommand(): Command {
  const trunk = new Command('trunk');
  for (const command of [addCommand(), listCommand(), showCommand(), setCommand(), removeCommand(), testCommand()]) {
    trunk.addCommand(command);
  }
  return trunk;
}

function addCommand(): Command {
  const command = new Command('add')
    .description('add a trunk (a PBX, an SBC); running nodes use it within 5 seconds')
    .argument('<name>', 'how it is called here', parseOperatorName)
    .addOption(switchOption('--enabled', 'whether calls go through it (default: on)'));
  return addSettingOptions(command, TRUNK, { showDefaults: true })
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  feige trunk add pbx --host pbx.example --from-user 0223456789\n  feige trunk add sbc --host 192.0.2.9 --transport tls --port 5061 --username feige --password-stdin \\\n    --dial-form plus --max-calls 60 --calls-per-second 5 < secret.txt',
    )
    .action(async (name: string, options: SettingOptions) => {
      const settings = await readSettings(TRUNK, {}, await withPassword(options));
      const { addTrunk } = await import('../store/trunks.ts');
      const added = await withDatabase((db) => addTrunk(db, { name, enabled: options.enabled ?? true, settings }));
      if (added === undefined) throw new CommandFailure(`there is a trunk ${name} already`);
      await printTrunk(options, added);
    });
}

function setCommand(): Command {
  const command = new Command('set')
    .description('change settings of a trunk; running nodes follow within 5 seconds')
    .argument('<name>', 'the trunk')
    .addOption(switchOption('--enabled', 'whether calls go through it'));
  return addSettingOptions(command, TRUNK, { showDefaults: false })
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nWhat is not given stays as it is.\n\nExamples:\n  feige trunk set pbx --enabled off\n  feige trunk set sbc --max-calls 120 --priority 50',
    )
    .action(async (name: string, options: SettingOptions) => {
      const given = await withPassword(options);
      const { enabled } = options;
      const { findTrunk, updateTrunk } = await import('../store/trunks.ts');
      const updated = await withDatabase(async (db) => {
        const trunk = await findTrunk(db, name);
        if (trunk === undefined) throw noSuchTrunk(name);
        const settings = await readSettings(TRUNK, trunk.settings, given);
        const changed = JSON.stringify(settings) !== JSON.stringify(trunk.settings);
        if (!changed && enabled === undefined) {
          throw new CommandFailure('nothing to change: give another value, see "trunk set --help"', EXIT_USAGE);
        }
        return updateTrunk(db, name, { settings, ...(enabled !== undefined && { enabled }) });
      });
      if (updated === undefined) throw noSuchTrunk(name);
      await printTrunk(options, updated);
    });
}

function listCommand(): Command {
  return new Command('list')
    .description('list trunks in the order in which they were added')
    .addOption(jsonOption())
    .action(async (options: JsonOption) => {
      const { listTrunks, maskedTrunkSettings } = await import('../store/trunks.ts');
      const trunks = await withDatabase(listTrunks);
      print(
        options,
        trunks.map((trunk) => ({ ...trunk, settings: maskedTrunkSettings(trunk.settings) })),
        () =>
          withProblems(trunks, () =>
            tableOr(
              'no trunks',
              ['name', 'enabled', 'address', 'from-user', 'max-calls', 'calls-per-second', 'prefixes', 'priority'],
              trunks.map(({ name, enabled, settings }) => [
                name,
                onOff(enabled),
                `${settings.host}:${settings.port} (${settings.transport})`,
                settings.fromUser,
                settings.maxCalls,
                settings.callsPerSecond,
                settings.prefixes.map((prefix) => prefix || 'any').join(','),
                settings.priority,
              ]),
            ),
          ),
      );
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('show a trunk with all its settings')
    .argument('<name>', 'the trunk')
    .addOption(jsonOption())
    .action(async (name: string, options: JsonOption) => printTrunk(options, await requireTrunk(name)));
}

function removeCommand(): Command {
  return new Command('remove')
    .description('remove a trunk; calls under way on it end as they would have, waiting ones take another')
    .argument('<name>', 'the trunk')
    .addOption(jsonOption())
    .action(async (name: string, options: JsonOption) => {
      const { removeTrunk } = await import('../store/trunks.ts');
      if (!(await withDatabase((db) => removeTrunk(db, name)))) throw noSuchTrunk(name);
      print(options, { name, removed: true }, () => `${name} is removed`);
    });
}

function testCommand(): Command {
  return new Command('test')
    .description('ask a trunk for a sign of life (OPTIONS) and report; exit code 1 when there is none')
    .argument('<name>', 'the trunk')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nPlaces no call. Any answer is a sign of life, a refusal too.\n\nExample:\n  feige trunk test pbx',
    )
    .action(async (name: string, options: JsonOption) => {
      const trunk = await requireTrunk(name);
      refuseUnreadable(trunk);
      const startedMs = performance.now();
      const result = await askOptions(trunk);
      const milliseconds = Math.round(performance.now() - startedMs);
      const { host, port, transport } = trunk.settings;
      const alive = result.kind === 'alive';
      print(options, { trunk: name, host, port, transport, alive, milliseconds, ...result }, () =>
        alive
          ? `${name} at ${host}:${port} over ${transport}: answered ${result.status} in ${milliseconds} ms`
          : `${name} at ${host}:${port} over ${transport}: ${result.reason}`,
      );
      if (!alive) process.exitCode = EXIT_FAILED;
    });
}

async function askOptions(
  trunk: Trunk,
): ReturnType<InstanceType<typeof import('../sip/user-agent.ts').SipUserAgent>['options']> {
  const { SipUserAgent } = await import('../sip/user-agent.ts');
  const { targetOf } = await import('../voice/trunk-directory.ts');
  const { createLogger } = await import('../base/log.ts');
  const { voice } = await requireConfig();
  const agent = new SipUserAgent({
    bind: { address: voice.bindAddress, udpPort: 0 },
    publicAddress: voice.publicAddress,
    log: createLogger({ level: 'silent' }),
  });
  await agent.start();
  try {
    return await agent.options(targetOf(trunk));
  } finally {
    await agent.stop();
  }
}

async function requireTrunk(name: string): Promise<Trunk> {
  const { findTrunk } = await import('../store/trunks.ts');
  const trunk = await withDatabase((db) => findTrunk(db, name));
  if (trunk === undefined) throw noSuchTrunk(name);
  return trunk;
}

function noSuchTrunk(name: string): CommandFailure {
  return new CommandFailure(`there is no trunk ${name}; "trunk list" shows them all`);
}

async function withPassword(options: SettingOptions): Promise<Record<string, unknown>> {
  return { ...options, password: await readPassword(options) };
}

async function printTrunk(options: JsonOption, trunk: Trunk): Promise<void> {
  const { maskedTrunkSettings } = await import('../store/trunks.ts');
  const settings = maskedTrunkSettings(trunk.settings);
  print(options, { ...trunk, settings }, () =>
    pairs([
      ['name', trunk.name],
      ['enabled', onOff(trunk.enabled)],
      ...Object.entries(settings).map(([name, value]) => [optionName(name), writeValue(value)] as const),
      ...(trunk.passwordProblem === undefined ? [] : [['problem', trunk.passwordProblem] as const]),
    ]),
  );
}
