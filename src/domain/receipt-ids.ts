/**
 * The forms an operator may use for one message id: hex in the response and decimal in the receipt, or the other
 * way round, padded with zeros or not. Pure; which form is right is decided by what is found.
 */
import type { OperatorSettings } from './operator-settings.ts';

export const ID_TRANSFORMS = ['as-is', 'unpadded', 'to-hex', 'to-upper-hex', 'to-padded-hex', 'to-decimal'] as const;
export type IdTransform = (typeof ID_TRANSFORMS)[number];

const DECIMAL = /^[0-9]{1,19}$/;
const HEX = /^(?:0x)?[0-9a-f]{1,16}$/i;
const PADDED_HEX_DIGITS = 8;

/** The id in another form; undefined where the form does not apply. */
export function transformId(id: string, transform: IdTransform): string | undefined {
  switch (transform) {
    case 'as-is':
      return id;
    case 'unpadded':
      return id.replace(/^0+(?=.)/, '');
    case 'to-hex':
      return DECIMAL.test(id) ? BigInt(id).toString(16) : undefined;
    case 'to-upper-hex':
      return DECIMAL.test(id) ? BigInt(id).toString(16).toUpperCase() : undefined;
    case 'to-padded-hex':
      return DECIMAL.test(id) ? BigInt(id).toString(16).padStart(PADDED_HEX_DIGITS, '0') : undefined;
    case 'to-decimal':
      return HEX.test(id) ? BigInt(id.startsWith('0x') ? id : `0x${id}`).toString() : undefined;
  }
}

/** The transforms worth trying for an operator, the likeliest first. */
export function transformsFor(idForm: OperatorSettings['idForm']): readonly IdTransform[] {
  switch (idForm) {
    case 'exact':
      return ['as-is'];
    case 'decimal':
      return ['as-is', 'unpadded'];
    case 'hex-response':
      return ['to-hex', 'to-upper-hex', 'to-padded-hex', 'as-is'];
    case 'auto':
      return ID_TRANSFORMS;
  }
}
