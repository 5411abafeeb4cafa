/** `feige migrate`: brings the database up to this version, where it runs or where it lies. */
import { Command } from 'commander';
import type { Config } from '../config.ts';
import { count, type JsonOption, print } from './output.ts';
import { findDatabaseUrl, requireConfig } from './platform.ts';
import { jsonOption } from './values.ts';

export function migrateCommand(): Command {
  return new Command('migrate')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nThe platform does this itself at every start. Without DATABASE_URL and without a running platform, the embedded\nPostgreSQL of DATA_DIR is started for the moment.',
    )
    .action(async (options: JsonOption) => {
      const applied = await migrateDatabase(await requireConfig());
      print(options, { applied }, () =>
        applied.length === 0
          ? 'the database is up to date'
          : [`applied ${count(applied.length, 'change')}:`, ...applied.map((name) => `  ${name}`)].join('\n'),
      );
    });
}

async function migrateDatabase(config: Config): Promise<string[]> {
  const { migrate } = await import('../store/migrate.ts');
  const url = await findDatabaseUrl(config);
  return url === undefined ? migrateEmbedded(config, migrate) : migrate(url);
}

async function migrateEmbedded(config: Config, migrate: (url: string) => Promise<string[]>): Promise<string[]> {
  const { createLogger } = await import('../base/log.ts');
  const { startEmbeddedPostgres } = await import('../store/embedded/postgres.ts');
  const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, log: createLogger({ level: 'silent' }) });
  try {
    return await migrate(postgres.url);
  } finally {
    await postgres.stop();
  }
}
