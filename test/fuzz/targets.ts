/** Everything that is fuzzed here. SIP and RTP have their own in test/unit/sip. */
import { httpParameters } from './http-parameters.ts';
import { httpServer } from './http-server.ts';
import { smppCodec } from './smpp-codec.ts';
import { smppEsme, smppSmsc } from './smpp-sessions.ts';
import type { FuzzTarget } from './target.ts';

export function fuzzTargets(): FuzzTarget[] {
  return [smppCodec(), smppEsme(), smppSmsc(), httpParameters(), httpServer()];
}
