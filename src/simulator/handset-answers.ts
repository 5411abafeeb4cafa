/** How the handsets' routes answer, and how they read the one parameter they all have. */

export interface HandsetAnswer {
  status: number;
  /** JSON, empty with 204; or bytes of another `contentType`. */
  body: string | Buffer;
  /** `application/json; charset=utf-8` unless given. */
  contentType?: string;
}

const MAX_WAIT_S = 60;

export function success(status: number, value: unknown): HandsetAnswer {
  return { status, body: JSON.stringify(value) };
}

export function failure(status: number, error: string): HandsetAnswer {
  return success(status, { error });
}

/** `wait=S`; undefined when it is not there, a string says what is wrong with it. */
export function secondsToWait(query: URLSearchParams): number | string | undefined {
  const wait = query.get('wait');
  if (wait === null) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(wait) ? Number(wait) : Number.NaN;
  return seconds <= MAX_WAIT_S ? seconds : `wait must be 0 to ${MAX_WAIT_S} seconds`;
}
