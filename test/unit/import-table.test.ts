import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAX_LINES = 400;
const FORBIDDEN_NAMES = ['utils', 'util', 'helpers', 'helper', 'common', 'types', 'interfaces', 'constants', 'index'];

/** Which rooms a room may import itself; what those may import is allowed to it as well. */
const ARROWS: Record<string, readonly string[]> = {
  base: [],
  gsm: ['base'],
  domain: ['gsm'],
  store: ['domain'],
  smpp: ['base', 'gsm'],
  sip: ['base'],
  outgoing: ['base'],
  sms: ['store', 'smpp'],
  voice: ['store', 'sip', 'outgoing'],
  callback: ['store', 'outgoing'],
  http: ['sms', 'voice', 'callback', 'outgoing'],
  simulator: ['base', 'gsm', 'smpp', 'sip'],
  config: ['domain'],
  main: ['http', 'simulator', 'config'],
  cli: ['main'],
};

interface SourceFile {
  /** From the root, with slashes. */
  path: string;
  text: string;
  /** Without whole-line comments and without what follows ` // `. */
  code: string;
}

function readSources(folder: string, ending = '.ts'): SourceFile[] {
  const top = join(ROOT, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('node_modules'))
    .map((name) => {
      const text = readFileSync(join(top, name), 'utf8');
      return { path: `${folder}/${name.replaceAll('\\', '/')}`, text, code: withoutComments(text) };
    });
}

function withoutComments(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^\s*(\/\/|\/\*|\*)/.test(line))
    .map((line) => line.replace(/\s\/\/ .*$/, ''))
    .join('\n');
}

const sources = readSources('src');
const everything = [...sources, ...readSources('test'), ...readSources('bench'), ...readSources('scripts', '.mjs')];

/** Paths from the root of the files that a file imports, for their types only or while it runs included. */
function importsOf(file: SourceFile): string[] {
  const specifiers = [
    ...file.code.matchAll(/\bfrom\s+'(\.[^']+)'/g),
    ...file.code.matchAll(/\bimport\s*\(?\s*'(\.[^']+)'/g),
    ...file.code.matchAll(/new URL\(\s*'(\.[^']+\.ts)'/g),
  ];
  return specifiers.map((found) =>
    relative(ROOT, join(ROOT, dirname(file.path), found[1] ?? '')).replaceAll('\\', '/'),
  );
}

/** `src/sms/accept.ts` lies in `sms`. Files of src itself are the composition root, `main`; the configuration is a room of its own. */
function roomOf(path: string): string | undefined {
  if (path === 'src/config.ts') return 'config';
  if (/^src\/[^/]+$/.test(path)) return 'main';
  return /^src\/([^/]+)/.exec(path)?.[1];
}

function mayImport(room: string): Set<string> {
  const allowed = new Set<string>([room]);
  for (const next of allowed) {
    for (const lower of ARROWS[next] ?? []) allowed.add(lower);
  }
  return allowed;
}

function linesMatching(files: SourceFile[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    file.code.split('\n').flatMap((line) => (pattern.test(line) ? [`${file.path}: ${line.trim()}`] : [])),
  );
}

test('every room of src is in the table', () => {
  const rooms = new Set(sources.map((file) => roomOf(file.path)));
  assert.ok(rooms.size > 3, 'the sources were not found');
  assert.deepEqual(
    [...rooms].filter((room) => room === undefined || ARROWS[room] === undefined),
    [],
  );
});

test('no file imports from a room above its own or beside it', () => {
  const offences = sources.flatMap((file) => {
    const allowed = mayImport(roomOf(file.path) ?? '');
    const wrong = importsOf(file).filter((path) => !allowed.has(roomOf(path) ?? 'outside of src'));
    return wrong.map((path) => `${file.path} imports ${path}`);
  });
  assert.deepEqual(offences, []);
});

test('ARCHITECTURE.md shows the same table', () => {
  const page = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const [, chains = ''] = /^### Who may import whom\n\n((?: {4}.*\n)+)/m.exec(page) ?? [];
  const shown = new Map<string, Set<string>>();
  for (const chain of chains.split(/\n| {4,}/).filter((part) => part !== '')) {
    const groups = chain.split(' ← ').map((group) => group.split(', '));
    for (const [index, rooms] of groups.entries()) {
      for (const room of rooms) {
        shown.set(room, new Set([...(shown.get(room) ?? []), ...(groups[index - 1] ?? [])]));
      }
    }
  }
  const reached = (room: string): string[] => {
    const found = new Set([room]);
    for (const next of found) for (const lower of shown.get(next) ?? []) found.add(lower);
    return [...found].sort();
  };
  assert.deepEqual([...shown.keys()].sort(), Object.keys(ARROWS).sort());
  for (const room of shown.keys()) assert.deepEqual(reached(room), [...mayImport(room)].sort(), room);
});

test('the table itself has no cycle', () => {
  for (const [room, lower] of Object.entries(ARROWS)) {
    for (const next of lower) assert.ok(!mayImport(next).has(room), `${room} and ${next} import each other`);
  }
});

test('no files import each other in a circle', () => {
  const graph = new Map(everything.map((file) => [file.path, importsOf(file)]));
  const finished = new Set<string>();
  const walk = (path: string, trail: string[]): void => {
    const start = trail.indexOf(path);
    assert.equal(start, -1, `circle: ${[...trail.slice(start), path].join(' → ')}`);
    if (finished.has(path)) return;
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
});

test('only the configuration reads the environment', () => {
  const others = sources.filter((file) => file.path !== 'src/config.ts');
  assert.deepEqual(linesMatching(others, /\bprocess\s*\.\s*env\b|\benv\b.*from 'node:process'/), []);
});

test('only the clock reads the time of day', () => {
  const others = sources.filter((file) => file.path !== 'src/base/clock.ts');
  assert.deepEqual(linesMatching(others, /\bDate\.now\b|\bnew Date\(\s*\)|\bnew Date\b(?!\()/), []);
});

test('only the store speaks SQL', () => {
  const others = sources.filter((file) => roomOf(file.path) !== 'store');
  const statement = /['"`\s](SELECT\s+\S|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s)/;
  assert.deepEqual(linesMatching(others, statement), []);
});

test('whoever opens the database brings the keys that passwords are sealed under', () => {
  const opened = linesMatching(sources, /\bnew Database\(/);
  assert.ok(opened.length >= 2, 'the platform and the command line');
  assert.deepEqual(
    opened.filter((line) => !/\bkeys: /.test(line)),
    [],
  );
});

test('a file is one room: at most 400 lines', () => {
  const long = everything.filter((file) => file.text.split('\n').length - 1 > MAX_LINES);
  assert.deepEqual(
    long.map((file) => file.path),
    [],
  );
});

test('files are named in kebab-case for what they are', () => {
  const wrong = everything.filter((file) => {
    const name = file.path.slice(file.path.lastIndexOf('/') + 1).replace(/(\.test)?\.(ts|mjs)$/, '');
    return FORBIDDEN_NAMES.includes(name) || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name);
  });
  assert.deepEqual(
    wrong.map((file) => file.path),
    [],
  );
});

test('nothing is exported by default or passed on whole', () => {
  assert.deepEqual(linesMatching(everything, /^export default\b|^export \* from\b/), []);
});

test('a source file opens with what it promises', () => {
  const silent = sources.filter((file) => !/^(#!.*\n)?\/\*\*/.test(file.text));
  assert.deepEqual(
    silent.map((file) => file.path),
    [],
  );
});

test('nothing is left to do in a comment', () => {
  const marked = everything.filter((file) => /\b(TODO|FIXME|XXX)\b:?/.test(file.text));
  assert.deepEqual(
    marked.map((file) => file.path).filter((path) => path !== 'test/unit/import-table.test.ts'),
    [],
  );
});
