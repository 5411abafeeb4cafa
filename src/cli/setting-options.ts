/**
 * The settings of operators and of trunks as options of the command line, made from the settings' own schema: every
 * setting has an option of its name (`responseTimeoutMs` is `--response-timeout-ms`), and every wrong one is named at once.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { ParsedSettings, SettingField } from '../domain/setting-schema.ts';
import { CommandFailure, EXIT_USAGE } from './failure.ts';
import { isNone } from './values.ts';

/** Whose settings they are: `domain/operator-settings` or `domain/trunk-settings`. */
export interface SettingSchema<Settings> {
  readonly fields: () => readonly SettingField[];
  readonly parse: (input: unknown) => ParsedSettings<Settings>;
}

const PLACEHOLDERS: Record<SettingField['kind'], string> = {
  text: 'text',
  number: 'number',
  boolean: 'on|off',
  list: 'prefix,...',
  pairs: 'hex=outcome,...',
};

/** How the command line calls a setting, as an option and where it is shown: `responseTimeoutMs` is response-timeout-ms. */
export function optionName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function flagOf(name: string): string {
  return `--${optionName(name)}`;
}

/** The options in the schema's order; with defaults shown where they are filled in (`add`, not `set`). */
export function addSettingOptions(
  command: Command,
  schema: SettingSchema<unknown>,
  { showDefaults }: { showDefaults: boolean },
): Command {
  for (const field of schema.fields()) {
    const placeholder = field.name === 'tlsCa' ? 'file' : PLACEHOLDERS[field.kind];
    const optional = field.required || field.default !== undefined ? '' : '; none unsets it';
    const mustBe = field.name === 'tlsCa' ? 'a file with certificates in PEM form to trust' : field.mustBe;
    const option = new Option(
      `${flagOf(field.name)} <${placeholder}>`,
      `${mustBe}${optional}${describeDefault(field, showDefaults)}`,
    );
    if (field.name === 'password') option.conflicts('passwordStdin');
    command.addOption(option);
  }
  return command.addOption(new Option('--password-stdin', 'read the password from standard input'));
}

function describeDefault(field: SettingField, showDefaults: boolean): string {
  if (!showDefaults) return '';
  if (field.required) return ' (required)';
  if (field.default === undefined) return '';
  const text = writeValue(field.default);
  return ` (default: ${text === '' ? 'empty' : text})`;
}

/** A value as one would type it. */
export function writeValue(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value)) return value.map(String).join(',');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([key, outcome]) => `${key}=${String(outcome)}`)
      .join(',');
  }
  return String(value);
}

/** The settings that result from `base` (the present ones, or none) and the options that were given. */
export async function readSettings<Settings extends object>(
  schema: SettingSchema<Settings>,
  base: Partial<Settings>,
  given: Record<string, unknown>,
): Promise<Settings> {
  const input: Record<string, unknown> = { ...base };
  for (const field of schema.fields()) {
    const text = given[field.name];
    if (typeof text !== 'string') continue;
    const isOptional = !field.required && field.default === undefined;
    if (isOptional && isNone(text)) delete input[field.name];
    else input[field.name] = field.name === 'tlsCa' ? await readCertificates(text) : readValue(field.kind, text);
  }
  const parsed = schema.parse(input);
  if (parsed.ok) return parsed.settings;
  const mistakes = parsed.mistakes.map((mistake) => {
    const [name = '', ...rest] = mistake.split(' ');
    return `  ${flagOf(name)} ${rest.join(' ')}`;
  });
  throw new CommandFailure(['the settings are wrong:', ...mistakes].join('\n'), EXIT_USAGE);
}

/** What can't be read as its kind stays text, which the schema then refuses by name. */
function readValue(kind: SettingField['kind'], text: string): unknown {
  switch (kind) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'on' ? true : text === 'off' ? false : text;
    case 'list':
      return text.split(',').map((part) => part.trim());
    case 'pairs':
      return readPairs(text);
    case 'text':
      return text;
  }
}

function readPairs(text: string): unknown {
  if (isNone(text)) return {};
  const entries = text.split(',').map((part) => part.split('=').map((side) => side.trim()));
  return entries.every((entry) => entry.length === 2) ? Object.fromEntries(entries) : text;
}

async function readCertificates(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new CommandFailure(
      `--tls-ca: ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  refuseDamaged(path, text);
  return text;
}

/** TLS passes over what it can't read, and then trusts less than was meant, or nothing. */
function refuseDamaged(path: string, text: string): void {
  const blocks = text.split(/(?=-----BEGIN CERTIFICATE-----)/).filter((block) => block.startsWith('-----BEGIN'));
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch {
      throw new CommandFailure(`--tls-ca: certificate ${index + 1} of ${blocks.length} in ${path} is damaged`);
    }
  }
}
