/** The one form in which the simulator knows a phone number, whatever form it arrived in. */

const TAIWAN_MOBILE_ABROAD = /^8869\d{8}$/;
const DIGITS = /^\d{1,20}$/;

/** `+886911222333`, `886911222333`, `0911-222-333` → `0911222333`; others digits only; undefined for no number. */
export function handsetNumber(raw: string): string | undefined {
  const digits = DIGITS.test(raw) ? raw : raw.replaceAll(/[\s-]/g, '').replace(/^\+/, '');
  if (!DIGITS.test(digits)) return undefined;
  return TAIWAN_MOBILE_ABROAD.test(digits) ? `0${digits.slice(3)}` : digits;
}

/** The international form that an operator shows as source of an incoming message: `0911222333` → `886911222333`. */
export function internationalForm(number: string): string {
  return /^09\d{8}$/.test(number) ? `886${number.slice(1)}` : number;
}
