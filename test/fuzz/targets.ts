/** Everything that is fuzzed here, and of how many inputs a run is. */
import { httpClient } from './http-client.ts';
import { httpParameters } from './http-parameters.ts';
import { httpServer } from './http-server.ts';
import { rtpPackets } from './rtp-packets.ts';
import { sipMessages } from './sip-messages.ts';
import { smppCodec } from './smpp-codec.ts';
import { smppEsme, smppSmsc } from './smpp-sessions.ts';
import type { FuzzTarget } from './target.ts';

/** SMPP and HTTP, which share the inputs of a run. */
export function messageTargets(): FuzzTarget[] {
  return [smppCodec(), smppEsme(), smppSmsc(), httpParameters(), httpServer(), httpClient()];
}

/** SIP and RTP, each of which gets as many again. */
export function callTargets(): FuzzTarget[] {
  return [sipMessages(), rtpPackets()];
}
