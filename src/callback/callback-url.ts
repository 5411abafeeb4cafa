/**
 * The URL of a callback: the customer's own with one parameter added (spec §4.1, README points 14 and 34), or with the
 * five of a call (voice §2, point 32).
 */
import { callbackPayload } from '../domain/answers.ts';
import { displayMobile } from '../domain/phone-number.ts';
import type { CallCallback, Callback } from '../store/outbox.ts';

/** `url` with `name=value` after any query it has; the fragment, which never leaves a client, is dropped. */
export function withParameter(url: string, name: string, value: string): string {
  const fragmentAt = url.indexOf('#');
  const address = fragmentAt < 0 ? url : url.slice(0, fragmentAt);
  const queryAt = address.indexOf('?');
  const joint = queryAt < 0 ? '?' : address.endsWith('?') || address.endsWith('&') ? '' : '&';
  return `${address}${joint}${name}=${encodeURIComponent(value)}`;
}

/** What is asked with GET for this callback. */
export function callbackUrl(callback: Callback): string {
  switch (callback.kind) {
    case 'receipt':
      return withParameter(callback.url, 'smsresp', callbackPayload(callback));
    case 'incoming':
      return withParameter(callback.url, 'moresp', callback.payload);
    case 'call':
      return callUrl(callback);
  }
}

function callUrl({ url, msgid, mobile, state, payload }: CallCallback): string {
  const { seconds, points } = JSON.parse(payload) as { seconds: number; points: number };
  const parameters = {
    msgid: String(msgid),
    phone: displayMobile(mobile),
    playtime: String(seconds),
    totalpoint: String(points),
    status: state,
  };
  return Object.entries(parameters).reduce((sum, [name, value]) => withParameter(sum, name, value), url);
}
