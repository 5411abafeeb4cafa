/**
 * Settings that a schema describes field by field, of operators and of trunks alike: what a form or a command line
 * needs to know of them, and input of any kind made complete or judged. Values are never repeated in a mistake, since
 * one of them is a password.
 */
import type { TObject } from 'typebox';
import { Value } from 'typebox/value';

/** One setting as a form or a command line needs to know it. */
export interface SettingField {
  name: string;
  kind: 'text' | 'number' | 'boolean' | 'list' | 'pairs';
  /** Completes the sentence "<field> must be …". */
  mustBe: string;
  /** Absent when the field is required, or optional without a default. */
  default?: unknown;
  required: boolean;
}

export type ParsedSettings<Settings> = { ok: true; settings: Settings } | { ok: false; mistakes: string[] };

/** Every setting, in the order of the schema. */
export function settingFields(schema: TObject): SettingField[] {
  const required: readonly string[] = schema.required;
  return Object.entries(schema.properties).map(([name, property]) => {
    const described = property as { type?: string; description?: string; default?: unknown };
    const field: SettingField = {
      name,
      kind: kindOf(described.type),
      mustBe: described.description ?? '',
      required: required.includes(name) && described.default === undefined,
    };
    if (described.default !== undefined) field.default = described.default;
    return field;
  });
}

function kindOf(type: string | undefined): SettingField['kind'] {
  if (type === 'boolean') return 'boolean';
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'array') return 'list';
  return type === 'object' ? 'pairs' : 'text';
}

/**
 * Fills in the defaults and judges what is there, field by field: the validator itself stops after eight errors, and
 * names no field it does not know.
 * @param of whose settings they are, with its article
 * @param furtherMistakes what holds between fields
 */
export function parseSettings<Settings>(
  { schema, of }: { schema: TObject; of: string },
  input: unknown,
  furtherMistakes: (candidate: Record<string, unknown>) => string[] = () => [],
): ParsedSettings<Settings> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return { ok: false, mistakes: [`the settings of ${of} must be an object`] };
  }
  const candidate = Value.Default(schema, { ...input }) as Record<string, unknown>;
  const mistakes = [...mistakesOf(schema, of, candidate), ...furtherMistakes(candidate)];
  return mistakes.length > 0 ? { ok: false, mistakes } : { ok: true, settings: inOrder(schema, candidate) as Settings };
}

function mistakesOf(schema: TObject, of: string, candidate: Record<string, unknown>): string[] {
  const required: readonly string[] = schema.required;
  const mistakes: string[] = [];
  for (const [name, property] of Object.entries(schema.properties)) {
    if (candidate[name] === undefined && !required.includes(name)) continue;
    const { description } = property as { description?: string };
    if (!Value.Check(property, candidate[name])) mistakes.push(`${name} must be ${description ?? ''}`);
  }
  for (const name of Object.keys(candidate)) {
    if (!Object.hasOwn(schema.properties, name)) mistakes.push(`${name} is not a setting of ${of}`);
  }
  return mistakes;
}

/** So that settings look the same wherever they come from; the database keeps no order. */
function inOrder(schema: TObject, candidate: Record<string, unknown>): Record<string, unknown> {
  const names = Object.keys(schema.properties).filter((name) => candidate[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, candidate[name]]));
}
