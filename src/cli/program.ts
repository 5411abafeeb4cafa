/**
 * The tree of commands, a file per noun. Only the noun that is asked for is loaded, and each of its commands loads
 * what it works with when it runs, so that help comes at once.
 */
import { Command } from 'commander';

interface Noun {
  readonly name: string;
  readonly description: string;
  load(): Promise<Command>;
}

const NOUNS: readonly Noun[] = [
  {
    name: 'serve',
    description: 'run the platform until SIGTERM or SIGINT; the same as npm start',
    load: async () => (await import('./serve.ts')).serveCommand(),
  },
  {
    name: 'migrate',
    description: "apply this version's changes to the database",
    load: async () => (await import('./migrate.ts')).migrateCommand(),
  },
  {
    name: 'account',
    description: 'accounts: credentials, settings, points',
    load: async () => (await import('./account.ts')).accountCommand(),
  },
  {
    name: 'number',
    description: 'two-way numbers of accounts',
    load: async () => (await import('./number.ts')).numberCommand(),
  },
  {
    name: 'operator',
    description: 'operators (SMSCs) and the links to them',
    load: async () => (await import('./operator.ts')).operatorCommand(),
  },
  {
    name: 'message',
    description: 'messages and what became of them',
    load: async () => (await import('./message.ts')).messageCommand(),
  },
  {
    name: 'trunk',
    description: 'SIP trunks that calls go out through',
    load: async () => (await import('./trunk.ts')).trunkCommand(),
  },
  {
    name: 'call',
    description: 'calls and what became of them',
    load: async () => (await import('./call.ts')).callCommand(),
  },
  {
    name: 'callback',
    description: 'callbacks to drurl and response, and of incoming messages',
    load: async () => (await import('./callback.ts')).callbackCommand(),
  },
  {
    name: 'filter',
    description: 'the keyword filter (REJERROR)',
    load: async () => (await import('./filter.ts')).filterCommand(),
  },
  {
    name: 'optout',
    description: 'numbers that want no messages (REJMOBIL)',
    load: async () => (await import('./optout.ts')).optoutCommand(),
  },
  {
    name: 'secret',
    description: 'the keys that stored passwords are sealed under',
    load: async () => (await import('./secret.ts')).secretCommand(),
  },
  {
    name: 'ledger',
    description: 'the movements of points of all accounts',
    load: async () => (await import('./ledger.ts')).ledgerCommand(),
  },
  {
    name: 'simulate',
    description: 'run the simulated operator and its handsets until SIGTERM or SIGINT',
    load: async () => (await import('./simulate.ts')).simulateCommand(),
  },
];

const HELP_WIDTH_COLUMNS = 110;

/**
 * @param wanted the noun whose commands are needed; the others are only named. 'all' loads every one of them.
 */
export async function buildProgram(wanted: string | undefined): Promise<Command> {
  const program = new Command('feige')
    .description('Feige: a self-hosted SMS platform that speaks the TwSMS API')
    .addHelpText(
      'after',
      '\nCommands work beside a running platform: on DATABASE_URL, or on the embedded database of the platform that\nruns on DATA_DIR. Exit codes: 0 done, 1 failed, 2 not understood.\n\nExamples:\n  feige account create --username shop --password-stdin --points 1000 < secret.txt\n  feige account list --json\n  feige message show 100000042',
    );
  for (const noun of NOUNS) {
    const command = wanted === 'all' || wanted === noun.name ? await noun.load() : new Command(noun.name);
    program.addCommand(command.description(noun.description));
  }
  harmonise(program);
  return program;
}

/** Commands that are made by themselves inherit nothing; all of them throw instead of ending the process. */
function harmonise(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError('--help shows what can be said')
    .configureHelp({ helpWidth: HELP_WIDTH_COLUMNS });
  if (command.commands.length > 0) command.helpCommand(false);
  for (const child of command.commands) harmonise(child);
}
