/**
 * The way out of the sandbox: with the simulator off no account answers to a published password, no message is
 * routed to a simulated operator and no call to a simulated telephone. The way back in undoes it.
 */
import { verifyPassword } from '../base/password.ts';
import type { Database, Statement } from './database.ts';
import { DEMO_ACCOUNTS, SIMULATED_OPERATOR_NAME } from './demo-accounts.ts';
import { SIMULATED_TRUNK_NAME } from './trunks.ts';

/** Before a hash it makes the password one that nothing can match. */
const LOCK = '!';

const PASSWORD_OF: Statement = {
  name: 'sandbox-password',
  text: 'SELECT password_hash AS "passwordHash" FROM accounts WHERE username = $1',
};

const LOCK_PASSWORD: Statement = {
  name: 'sandbox-lock',
  text: `UPDATE accounts SET password_hash = '${LOCK}' || password_hash, version = version + 1
         WHERE username = $1 AND password_hash = $2`,
};

const UNLOCK_PASSWORDS: Statement = {
  name: 'sandbox-unlock',
  text: `UPDATE accounts SET password_hash = substring(password_hash FROM 2), version = version + 1
         WHERE username = ANY ($1::text[]) AND password_hash LIKE '${LOCK}%'`,
};

const SWITCH_OPERATOR: Statement = {
  name: 'sandbox-operator',
  text: 'UPDATE operators SET enabled = $2, version = version + 1 WHERE name = $1 AND enabled <> $2',
};

const SWITCH_TRUNK: Statement = {
  name: 'sandbox-trunk',
  text: 'UPDATE trunks SET enabled = $2, version = version + 1 WHERE name = $1 AND enabled <> $2',
};

/** Locks demo accounts that still have their published passwords; gives their names. */
export async function leaveSandbox(db: Database): Promise<string[]> {
  await db.query(SWITCH_OPERATOR, [SIMULATED_OPERATOR_NAME, false]);
  await db.query(SWITCH_TRUNK, [SIMULATED_TRUNK_NAME, false]);
  const locked: string[] = [];
  for (const { username, password } of DEMO_ACCOUNTS) {
    const [row] = await db.query<{ passwordHash: string }>(PASSWORD_OF, [username]);
    if (!row || !(await verifyPassword(password, row.passwordHash))) continue;
    await db.query(LOCK_PASSWORD, [username, row.passwordHash]);
    locked.push(username);
  }
  return locked;
}

/** Gives locked demo accounts their passwords back, the simulated operator its messages and the telephone its calls. */
export async function enterSandbox(db: Database): Promise<void> {
  await db.query(UNLOCK_PASSWORDS, [DEMO_ACCOUNTS.map(({ username }) => username)]);
  await db.query(SWITCH_OPERATOR, [SIMULATED_OPERATOR_NAME, true]);
  await db.query(SWITCH_TRUNK, [SIMULATED_TRUNK_NAME, true]);
}
