/**
 * What Feige has to know about an operator (an SMSC) to send through it: the shape, the bounds and the defaults
 * of its settings. Input of any kind either becomes complete settings or a list that names every wrong field;
 * values are never repeated in a mistake, since one of them is the password.
 */
import { type Static, Type } from 'typebox';
import { type ParsedSettings, parseSettings, type SettingField, settingFields } from './setting-schema.ts';

export const DEFAULT_SMPP_PORT = 2775;
export const MAX_LINKS = 32;
export const MAX_WINDOW = 1_000;
export const DEFAULT_THROTTLE_SEGMENTS_PER_SECOND = 200;

/** What a `command_status` can be made to mean: what to do instead, or a final state of spec §8. */
export const STATUS_OUTCOMES = [
  'retry',
  'throttled',
  'queue-full',
  'EXPIRED',
  'DELETED',
  'UNDELIV',
  'UNKNOWN',
  'REJECTD',
  'SYNTAXE',
  'MOBERROR',
  'MSGERROR',
  'OTERROR',
  'REJERROR',
  'REJMOBIL',
] as const;

const OVERRIDE_KEY_PATTERN = '^0x[0-9a-f]{1,8}$';

/** A field's `description` completes the sentence "<field> must be …"; the command line shows it too. */
const OperatorSettingsSchema = Type.Object(
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
      default: DEFAULT_SMPP_PORT,
      description: 'a port number from 1 to 65535',
    }),
    tls: Type.Boolean({ default: false, description: 'on or off: whether the links speak TLS' }),
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
    systemId: Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'the system_id of the bind, 1 to 64 characters',
    }),
    password: Type.String({ maxLength: 64, description: 'the password of the bind, up to 64 characters' }),
    systemType: Type.String({ maxLength: 32, default: '', description: 'the system_type, up to 32 characters' }),
    bindMode: Type.Enum(['transceiver', 'transmitter+receiver'], {
      default: 'transceiver',
      description: 'transceiver or transmitter+receiver',
    }),
    links: Type.Integer({
      minimum: 1,
      maximum: MAX_LINKS,
      default: 1,
      description: `a number of links (binds, or pairs of them) from 1 to ${MAX_LINKS}`,
    }),
    window: Type.Integer({
      minimum: 1,
      maximum: MAX_WINDOW,
      default: 100,
      description: `a number of unanswered submits a link from 1 to ${MAX_WINDOW}`,
    }),
    throttle: Type.Number({
      exclusiveMinimum: 0,
      maximum: 100_000,
      default: DEFAULT_THROTTLE_SEGMENTS_PER_SECOND,
      description: 'a number of segments per second for the operator as a whole, above 0 and up to 100000',
    }),
    responseTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 300_000,
      default: 10_000,
      description: 'a number of milliseconds from 100 to 300000',
    }),
    enquireLinkMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 30_000,
      description: 'a number of milliseconds from 100 to 600000',
    }),
    serviceType: Type.String({ maxLength: 16, default: '', description: 'the service_type, up to 16 characters' }),
    sourceAddress: Type.String({
      maxLength: 20,
      default: '',
      description: 'a sender, up to 20 characters, may be empty',
    }),
    sourceTon: Type.Integer({ minimum: 0, maximum: 255, default: 0, description: 'a type of number from 0 to 255' }),
    sourceNpi: Type.Integer({ minimum: 0, maximum: 255, default: 0, description: 'a numbering plan from 0 to 255' }),
    destinationForm: Type.Enum(['international', 'national'], {
      default: 'international',
      description: 'international (886…) or national (09…)',
    }),
    destinationTon: Type.Integer({
      minimum: 0,
      maximum: 255,
      default: 1,
      description: 'a type of number from 0 to 255',
    }),
    destinationNpi: Type.Integer({
      minimum: 0,
      maximum: 255,
      default: 1,
      description: 'a numbering plan from 0 to 255',
    }),
    defaultAlphabet: Type.Enum(['gsm7', 'latin1', 'ascii'], {
      default: 'gsm7',
      description: 'gsm7, latin1 or ascii: what data_coding 0 really means there',
    }),
    utcOffsetMinutes: Type.Integer({
      minimum: -720,
      maximum: 840,
      default: 480,
      description: 'the offset of done dates from UTC in minutes, from -720 to 840',
    }),
    idForm: Type.Enum(['auto', 'decimal', 'hex-response', 'exact'], {
      default: 'auto',
      description: 'auto, decimal, hex-response (hex in the response, decimal in the receipt) or exact',
    }),
    concatenation: Type.Enum(['udh', 'sar'], { default: 'udh', description: 'udh or sar' }),
    unknownPolicy: Type.Enum(['resend', 'hold'], {
      default: 'resend',
      description: 'resend or hold: what follows a submit without an outcome',
    }),
    querySm: Type.Boolean({
      default: false,
      description: 'on or off: whether overdue receipts are asked for with query_sm',
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
      description: 'a number from 0 to 10000; among operators for a number the lowest goes first',
    }),
    statusOverrides: Type.Record(Type.String(), Type.Enum(STATUS_OUTCOMES), {
      default: {},
      propertyNames: { pattern: OVERRIDE_KEY_PATTERN },
      description: `pairs of a command_status in hex and an outcome (${STATUS_OUTCOMES.join(', ')}), such as 0x45=retry`,
    }),
    refundUndelivered: Type.Optional(
      Type.Boolean({ description: 'on or off: whether what this operator took and could not deliver is refunded' }),
    ),
  },
  { additionalProperties: false },
);

/** Complete settings of one operator; times in milliseconds, the throttle in segments per second. */
export type OperatorSettings = Static<typeof OperatorSettingsSchema>;

export type ParsedOperatorSettings = ParsedSettings<OperatorSettings>;

/** Every setting, in the order in which people think of them. */
export function operatorSettingFields(): SettingField[] {
  return settingFields(OperatorSettingsSchema);
}

/** The key of `statusOverrides` for a `command_status`: `0x` and lower-case hex without leading zeros. */
export function statusOverrideKey(commandStatus: number): string {
  return `0x${commandStatus.toString(16)}`;
}

/**
 * Fills in the defaults and judges what is there. Keys of `statusOverrides` may be written with or without `0x`,
 * zeros and capitals (`0B`, `0x0000000B`); they are stored as `statusOverrideKey` makes them.
 */
export function parseOperatorSettings(input: unknown): ParsedOperatorSettings {
  return parseSettings({ schema: OperatorSettingsSchema, of: 'an operator' }, withPlainKeys(input));
}

function withPlainKeys(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('statusOverrides' in input)) return input;
  const overrides = input.statusOverrides;
  if (typeof overrides !== 'object' || overrides === null || Array.isArray(overrides)) return input;
  const plain = Object.entries(overrides).map(([key, outcome]) => {
    const hex = /^(?:0x)?([0-9a-f]{1,8})$/i.exec(key)?.[1];
    return [hex === undefined ? key : statusOverrideKey(Number.parseInt(hex, 16)), outcome];
  });
  return { ...input, statusOverrides: Object.fromEntries(plain) };
}
