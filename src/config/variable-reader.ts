/**
 * Reads single variables of an environment as what they have to be. What is wrong is kept in `mistakes`, so that all of
 * it can be named in one go, and answered with a harmless value.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

const MAX_PORT = 65_535;
const YES = ['on', 'yes', 'true', '1'];
const NO = ['off', 'no', 'false', '0'];

export class VariableReader<Name extends string> {
  readonly mistakes: string[] = [];
  readonly #env: NodeJS.ProcessEnv;
  readonly #defaults: Readonly<Record<Name, string>>;

  /** @param defaults of every variable, as one would write it; empty means unset */
  constructor(env: NodeJS.ProcessEnv, defaults: Readonly<Record<Name, string>>) {
    this.#env = env;
    this.#defaults = defaults;
  }

  /** An empty value counts as unset, as shells and compose files produce it. */
  isSet(name: Name): boolean {
    return (this.#env[name] ?? '').trim() !== '';
  }

  text(name: Name): string {
    return this.isSet(name) ? (this.#env[name] ?? '').trim() : this.#defaults[name];
  }

  refuse(name: Name, reason: string): void {
    this.mistakes.push(`${name}=${this.text(name)}: ${reason}`);
  }

  /** For values that must not be shown, or are not there. */
  refuseSilently(name: Name, reason: string): void {
    this.mistakes.push(`${name}: ${reason}`);
  }

  boolean(name: Name): boolean {
    const text = this.text(name).toLowerCase();
    if (YES.includes(text)) return true;
    if (!NO.includes(text)) this.refuse(name, 'must be yes or no (also on/off, true/false, 1/0)');
    return false;
  }

  integer(name: Name, least: number, most: number): number {
    const text = this.text(name);
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value;
    this.refuse(name, `must be a whole number from ${least} to ${most}`);
    return least;
  }

  /** From 0 to 1. */
  share(name: Name): number {
    const text = this.text(name);
    const value = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && value <= 1) return value;
    this.refuse(name, 'must be a number from 0 to 1');
    return 0;
  }

  port(name: Name): number {
    return this.integer(name, 0, MAX_PORT);
  }

  portOrOff(name: Name): number | 'off' {
    return this.text(name).toLowerCase() === 'off' ? 'off' : this.port(name);
  }

  /** CIDRs and single addresses, separated by commas or blanks, each written back as a CIDR. */
  networks(name: Name): string[] {
    const networks: string[] = [];
    for (const part of this.text(name).split(/[\s,]+/)) {
      if (part === '') continue;
      if (ipaddr.isValidCIDR(part)) networks.push(part);
      else if (isIP(part) !== 0) networks.push(`${part}/${isIP(part) === 4 ? 32 : 128}`);
      else this.refuse(name, `"${part}" is neither a CIDR nor an address`);
    }
    return networks;
  }
}
