/**
 * All stored passwords of operators and trunks at once: which are sealed, under which key, and sealing again those that
 * are not under the current one. A row's version stays as it is: the password is the same, and no link has to bind
 * again.
 */
import type { Logger } from '../base/log.ts';
import type { Database, KeyedQueryable, Statement } from './database.ts';
import { SIMULATED_OPERATOR_NAME } from './demo-accounts.ts';
import { noKey, openSettings, type PasswordForm, type Place, sealedAnew } from './sealed-password.ts';

const KINDS = ['operator', 'trunk'] as const;

export interface StoredPassword {
  kind: (typeof KINDS)[number];
  name: string;
  form: PasswordForm;
  /** Of one that is unreadable: why, and what to do. */
  problem?: string;
}

interface Row {
  id: number;
  name: string;
  settings: unknown;
}

function list(kind: StoredPassword['kind']): Statement {
  return {
    name: `seal-passwords.list-${kind}s`,
    text: `SELECT ${kind}_id AS id, name, settings FROM ${kind}s ORDER BY ${kind}_id`,
  };
}

function lock(kind: StoredPassword['kind']): Statement {
  return {
    name: `seal-passwords.lock-${kind}`,
    text: `SELECT ${kind}_id AS id, name, settings FROM ${kind}s WHERE name = $1 FOR UPDATE`,
  };
}

function store(kind: StoredPassword['kind']): Statement {
  return {
    name: `seal-passwords.store-${kind}`,
    text: `UPDATE ${kind}s SET settings = $2::jsonb WHERE ${kind}_id = $1`,
  };
}

/** Of every operator and trunk that has one. */
export async function listPasswords(db: KeyedQueryable): Promise<StoredPassword[]> {
  const found: StoredPassword[] = [];
  for (const kind of KINDS) {
    for (const row of await db.query<Row>(list(kind), [])) {
      const { form, problem } = openSettings(row.settings, db.keys, placeOf(kind, row.name));
      if (form !== 'none') found.push({ kind, name: row.name, form, ...(problem !== undefined && { problem }) });
    }
  }
  return found;
}

/**
 * Seals the passwords of these forms under the current key and gives those that it sealed. Row by row, since
 * acceptance locks operators too; a run that was cut short is made good by the next. Throws SECRET_KEY_MISSING when
 * there is no key.
 */
export async function sealPasswords(
  db: Database,
  forms: readonly ('plain' | 'sealed-before')[],
): Promise<StoredPassword[]> {
  const { keys } = db;
  if (keys?.currentId === undefined) throw noKey();
  const wanted: readonly PasswordForm[] = forms;
  const sealed: StoredPassword[] = [];
  for (const { kind, name, form } of await listPasswords(db)) {
    if (!wanted.includes(form)) continue;
    const place = placeOf(kind, name);
    await db.transaction(async (tx) => {
      const [row] = await tx.query<Row>(lock(kind), [name]);
      if (row === undefined) return;
      const opened = openSettings(row.settings, keys, place);
      if (!wanted.includes(opened.form)) return;
      await tx.query(store(kind), [row.id, sealedAnew(opened, keys, place)]);
      sealed.push({ kind, name, form: 'sealed' });
    });
  }
  return sealed;
}

/** At a start: seals what an earlier version stored as it was; without a key that can only be told. */
export async function sealPlainPasswords(db: Database, log: Logger): Promise<void> {
  if (db.keys?.currentId !== undefined) {
    const sealed = await sealPasswords(db, ['plain']);
    if (sealed.length > 0) log.info({ names: sealed.map(({ name }) => name) }, 'stored passwords were sealed');
    return;
  }
  // The simulator's is known to everybody.
  const plain = (await listPasswords(db)).filter(
    ({ form, name }) => form === 'plain' && name !== SIMULATED_OPERATOR_NAME,
  );
  if (plain.length === 0) return;
  const names = plain.map(({ name }) => name);
  log.warn({ names }, 'passwords stand in the database as they are: set SECRET_KEY, and they are sealed');
}

function placeOf(kind: StoredPassword['kind'], name: string): Place {
  return `${kind}s/${name}`;
}
