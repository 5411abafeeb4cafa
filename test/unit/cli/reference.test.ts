import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Command } from 'commander';
import { buildProgram } from '../../../src/cli/program.ts';

const PAGE = new URL('../../../docs/reference/cli.md', import.meta.url);

/** `account show <username>` → the flags of its options. */
async function commandsOfProgram(): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const visit = (command: Command, path: readonly string[]): void => {
    for (const child of command.commands) visit(child, [...path, child.name()]);
    if (command.commands.length > 0) return;
    const args = command.registeredArguments.map((arg) => (arg.required ? `<${arg.name()}>` : `[${arg.name()}]`));
    found.set(
      [...path, ...args].join(' '),
      command.options.map((option) => option.flags),
    );
  };
  visit(await buildProgram('all'), []);
  return found;
}

async function commandsOfPage(): Promise<Map<string, string[]>> {
  const page = await readFile(PAGE, 'utf8');
  const found = new Map<string, string[]>();
  for (const section of page.split(/^### /m).slice(1)) {
    const heading = /^`feige ([^`]+)`$/m.exec(section)?.[1] ?? assert.fail(`no command in the heading of ${section}`);
    const flags = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => (match[1] ?? '').replaceAll('\\|', '|'));
    found.set(heading, flags);
  }
  return found;
}

test('docs/reference/cli.md lists every command with every option, and no other', async () => {
  const [program, page] = [await commandsOfProgram(), await commandsOfPage()];
  assert.ok(program.size > 25);
  assert.deepEqual([...page.keys()], [...program.keys()]);
  for (const [command, flags] of program) assert.deepEqual(page.get(command), flags, command);
});
