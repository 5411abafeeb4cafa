/**
 * What a test needs of its machine and may not find there. On a developer's machine it is left out, with the reason; with
 * `CI` set, as every CI service does, it fails: nobody reads there what was skipped.
 */
const NO = new Set(['', '0', 'false']);

/** The `skip` of a test: why it is left out, or false. Throws the reason on CI. */
export function skipIf(missing: string | false | undefined): string | false {
  if (missing === undefined || missing === false) return false;
  if (!NO.has(process.env.CI ?? '')) throw new Error(`${missing} (with CI set this is an error)`);
  return missing;
}
