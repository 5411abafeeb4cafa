/**
 * The settings of a trunk as options of the command line, made from the settings' own schema: every setting has an
 * option of its name (`callsPerSecond` is `--calls-per-second`), and every wrong one is named at once.
 */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import {
  parseTrunkSettings,
  type TrunkSettingField,
  type TrunkSettings,
  trunkSettingFields,
} from '../domain/trunk-settings.ts';
import { CommandFailure, EXIT_USAGE } from './failure.ts';
import { optionName, writeValue } from './operator-options.ts';
import { isNone } from './values.ts';

const PLACEHOLDERS: Record<TrunkSettingField['kind'], string> = {
  text: 'text',
  number: 'number',
  list: 'prefix,...',
};

function flagOf(name: string): string {
  return `--${optionName(name)}`;
}

/** The options in the schema's order; with defaults shown where they are filled in (`add`, not `set`). */
export function addTrunkOptions(command: Command, { showDefaults }: { showDefaults: boolean }): Command {
  for (const field of trunkSettingFields()) {
    const isFile = field.name === 'tlsCa';
    const optional = field.required || field.default !== undefined ? '' : '; none unsets it';
    const mustBe = isFile ? 'a file with certificates in PEM form to trust' : field.mustBe;
    const option = new Option(
      `${flagOf(field.name)} <${isFile ? 'file' : PLACEHOLDERS[field.kind]}>`,
      `${mustBe}${optional}${describeDefault(field, showDefaults)}`,
    );
    if (field.name === 'password') option.conflicts('passwordStdin');
    command.addOption(option);
  }
  return command.addOption(new Option('--password-stdin', 'read the password from standard input'));
}

function describeDefault(field: TrunkSettingField, showDefaults: boolean): string {
  if (!showDefaults) return '';
  if (field.required) return ' (required)';
  if (field.default === undefined) return '';
  const text = writeValue(field.default);
  return ` (default: ${text === '' ? 'empty' : text})`;
}

/** The settings that come out of `base` (those of an existing trunk, or none) and the options that were given. */
export async function readTrunkSettings(
  base: Partial<TrunkSettings>,
  given: Record<string, unknown>,
): Promise<TrunkSettings> {
  const input: Record<string, unknown> = { ...base };
  for (const field of trunkSettingFields()) {
    const text = given[field.name];
    if (typeof text !== 'string') continue;
    const isOptional = !field.required && field.default === undefined;
    if (isOptional && isNone(text)) delete input[field.name];
    else input[field.name] = field.name === 'tlsCa' ? await readCertificates(text) : readValue(field.kind, text);
  }
  const parsed = parseTrunkSettings(input);
  if (parsed.ok) return parsed.settings;
  const mistakes = parsed.mistakes.map((mistake) => {
    const [name = '', ...rest] = mistake.split(' ');
    return `  ${flagOf(name)} ${rest.join(' ')}`;
  });
  throw new CommandFailure(['the settings are wrong:', ...mistakes].join('\n'), EXIT_USAGE);
}

/** What can't be read as its kind stays text, which the schema then refuses by name. */
function readValue(kind: TrunkSettingField['kind'], text: string): unknown {
  switch (kind) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case 'list':
      return text.split(',').map((part) => part.trim());
    case 'text':
      return text;
  }
}

async function readCertificates(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CommandFailure(
      `--tls-ca: ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
