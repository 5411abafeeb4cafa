/** The command line on a database of the test's own. */
import { execFile } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTestDatabase } from '../harness/database.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What passwords are sealed under: a database that is named by DATABASE_URL needs one. */
export const SECRET_KEY = Buffer.alloc(32, 7).toString('base64');

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandLine {
  databaseUrl: string;
  feige: (words: readonly string[], input?: string) => Promise<Ended>;
}

export async function startCommandLine(context: TestContext): Promise<CommandLine> {
  const database = await createTestDatabase();
  context.after(() => database.drop());
  const feige: CommandLine['feige'] = (words, input = '') =>
    new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        ['src/cli/feige.ts', ...words],
        { cwd: ROOT, env: { ...process.env, DATABASE_URL: database.url, SECRET_KEY } },
        (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
      child.stdin?.end(input);
    });
  return { databaseUrl: database.url, feige };
}
