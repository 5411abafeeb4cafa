import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Package {
  version?: string;
  integrity?: string;
  link?: boolean;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  allowScripts?: Record<string, boolean>;
  hasInstallScript?: boolean;
}

function readJson<Shape>(name: string): Shape {
  return JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')) as Shape;
}

const manifest = readJson<Package>('package.json');
const { packages } = readJson<{ packages: Record<string, Package> }>('package-lock.json');
const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });

test('package.json names one version of each package, which is the lockfile’s', () => {
  assert.ok(wanted.length > 10, 'the dependencies were not found');
  for (const [name, version] of wanted) {
    assert.match(version, /^\d+\.\d+\.\d+(?:-[0-9a-z.-]+)?$/, `${name} is open: ${version}`);
    assert.equal(packages[`node_modules/${name}`]?.version, version, `${name} in package-lock.json`);
  }
});

test('the lockfile was made for this package.json', () => {
  const { dependencies, devDependencies } = packages[''] ?? {};
  assert.deepEqual(dependencies, manifest.dependencies);
  assert.deepEqual(devDependencies, manifest.devDependencies);
});

test('every package of the lockfile has one version and the hash of its content', () => {
  const installed = Object.entries(packages).filter(([path]) => path !== '');
  assert.ok(installed.length > 100);
  const loose = installed.filter(([, { version, integrity }]) => !version || integrity?.startsWith('sha512-') !== true);
  assert.deepEqual(
    loose.map(([path]) => path),
    [],
  );
});

test('a package that is added later is pinned as well', () => {
  const settings = readFileSync(new URL('../../.npmrc', import.meta.url), 'utf8');
  assert.match(settings, /^save-exact=true$/m);
});
