/**
 * How commands reach the platform's database, whether a platform runs beside them or not: DATABASE_URL, else the
 * embedded PostgreSQL of a platform that runs on DATA_DIR. Commands start no database of their own.
 */
import type { Config } from '../config.ts';
import type { Database } from '../store/database.ts';
import { CommandFailure } from './failure.ts';

/** The configuration, or every mistake in it at once. */
export async function requireConfig(): Promise<Config> {
  const { loadConfig } = await import('../config.ts');
  const loaded = loadConfig();
  if (loaded.ok) return loaded.config;
  throw new CommandFailure(
    ['the configuration is wrong:', ...loaded.mistakes.map((mistake) => `  ${mistake}`)].join('\n'),
  );
}

/** Of the server named by the configuration, or of the platform that runs on its data directory. */
export async function findDatabaseUrl(config: Config): Promise<string | undefined> {
  if (config.databaseUrl !== undefined) return config.databaseUrl;
  const { findRunningEmbeddedPostgres } = await import('../store/embedded/postgres.ts');
  try {
    return await findRunningEmbeddedPostgres(config.dataDir);
  } catch (error) {
    if (!isPermissionDenied(error)) throw error;
    throw new CommandFailure(
      `the data directory ${config.dataDir} belongs to another user; run this as the user the platform runs as`,
    );
  }
}

/** As the cause of the fault that the embedded PostgreSQL's room makes of it. */
function isPermissionDenied(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'EACCES';
}

/** Runs `work` with the platform's database and leaves it afterwards, whatever happened. */
export async function withDatabase<Result>(work: (db: Database) => Promise<Result>): Promise<Result> {
  const config = await requireConfig();
  const url = await findDatabaseUrl(config);
  if (url === undefined) {
    throw new CommandFailure(
      `no platform runs on the data directory ${config.dataDir}; start it with "npm start", or set DATA_DIR or DATABASE_URL to where it is`,
    );
  }
  const { Database } = await import('../store/database.ts');
  const { findSecretKeys } = await import('../store/secret-key-file.ts');
  const db = new Database(url, { keys: await findSecretKeys(config) });
  try {
    return await work(db);
  } finally {
    await db.stop();
  }
}
