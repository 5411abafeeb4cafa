/** `feige serve`: the platform itself, until a signal stops it. */
import { Command } from 'commander';
import { requireConfig } from './platform.ts';

export function serveCommand(): Command {
  return new Command('serve')
    .addHelpText('after', '\nConfigured by environment variables: docs/reference/config.md.')
    .action(async () => {
      const config = await requireConfig();
      const { serve } = await import('../main.ts');
      // As src/main.ts does: nothing that is left may keep a stopped platform's process.
      process.exit(await serve(config));
    });
}
