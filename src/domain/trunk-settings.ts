/**
 * What Feige has to know about a SIP trunk (a PBX, an SBC) to call through it: shape, bounds and defaults. Input of
 * any kind either becomes complete settings or a list that names every wrong field; values are never repeated in a
 * mistake, since one of them is the password.
 */
import { type Static, Type } from 'typebox';
import { type ParsedSettings, parseSettings, type SettingField, settingFields } from './setting-schema.ts';

const DEFAULT_SIP_PORT = 5060;

/** A field's `description` completes the sentence "<field> must be …"; the command line shows it too. */
const TrunkSettingsSchema = Type.Object(
  {
    host: Type.String({
      minLength: 1,
      maxLength: 253,
      pattern: '^[^\\s/]+$',
      description: 'a host name or an address',
    }),
    port: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      default: DEFAULT_SIP_PORT,
      description: 'a port number from 1 to 65535',
    }),
    transport: Type.Enum(['udp', 'tcp', 'tls'], { default: 'udp', description: 'udp, tcp or tls' }),
    tlsCa: Type.Optional(
      Type.String({ pattern: '-----BEGIN CERTIFICATE-----', description: 'certificates in PEM form to trust' }),
    ),
    tlsServername: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description: 'the host name or address that the certificate has to carry',
      }),
    ),
    username: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'the user name of digest authentication' }),
    ),
    password: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'the password of digest authentication' }),
    ),
    fromUser: Type.String({
      minLength: 1,
      maxLength: 64,
      pattern: '^[A-Za-z0-9+_.-]+$',
      default: 'feige',
      description: 'the calling number (the user of From), 1 to 64 letters, digits, "+", "_", "." or "-"',
    }),
    domain: Type.String({
      maxLength: 253,
      pattern: '^[^\\s/@]*$',
      default: '',
      description: "the domain of From, or empty for the trunk's host",
    }),
    dialForm: Type.Enum(['national', 'international', 'plus'], {
      default: 'national',
      description: 'national (09…, abroad with 00), international (886…) or plus (+886…): how numbers are dialled',
    }),
    prefixes: Type.Array(Type.String({ pattern: '^[0-9]{0,15}$' }), {
      minItems: 1,
      maxItems: 1_000,
      default: [''],
      description: 'a list of number prefixes with country code, digits only; an empty one means every number',
    }),
    priority: Type.Integer({
      minimum: 0,
      maximum: 10_000,
      default: 100,
      description: 'a number from 0 to 10000; among trunks for a number the lowest is tried first',
    }),
    maxCalls: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 30,
      description: 'a number of calls at once, on all nodes together, from 1 to 10000',
    }),
    callsPerSecond: Type.Number({
      exclusiveMinimum: 0,
      maximum: 10_000,
      default: 10,
      description: 'a number of new calls per second, on all nodes together, above 0 and up to 10000',
    }),
    answerTimeoutMs: Type.Integer({
      minimum: 500,
      maximum: 32_000,
      default: 4_000,
      description: 'a number of milliseconds from 500 to 32000 without any response, after which the trunk has failed',
    }),
    heartbeatSeconds: Type.Integer({
      minimum: 0,
      maximum: 3_600,
      default: 30,
      description: 'a number of seconds between OPTIONS from 0 (none) to 3600',
    }),
  },
  { additionalProperties: false },
);

/** Complete settings of one trunk. */
export type TrunkSettings = Static<typeof TrunkSettingsSchema>;

export type ParsedTrunkSettings = ParsedSettings<TrunkSettings>;

/** Every setting, in the order in which people think of them. */
export function trunkSettingFields(): SettingField[] {
  return settingFields(TrunkSettingsSchema);
}

/** Fills in the defaults and judges what is there. */
export function parseTrunkSettings(input: unknown): ParsedTrunkSettings {
  return parseSettings({ schema: TrunkSettingsSchema, of: 'a trunk' }, input, ({ username, password }) =>
    (username === undefined) === (password === undefined)
      ? []
      : ['username must be there when password is, and the other way round'],
  );
}

const HOME_COUNTRY_CODE = '886';

/** A number (E.164 digits) as the trunk wants it dialled. */
export function dialledNumber(form: TrunkSettings['dialForm'], e164: string): string {
  switch (form) {
    case 'international':
      return e164;
    case 'plus':
      return `+${e164}`;
    case 'national':
      return e164.startsWith(HOME_COUNTRY_CODE) ? `0${e164.slice(HOME_COUNTRY_CODE.length)}` : `00${e164}`;
  }
}
