/** Damaged datagrams at the port where a call's sound arrives: read or refused, with no more payload than came. */
import assert from 'node:assert/strict';
import { RTP_HEADER_BYTES, readRtp } from '../../src/sip/rtp-packet.ts';
import { readHexCorpus } from './smpp-corpus.ts';
import type { FuzzTarget, StartedTarget, Verdicts } from './target.ts';

/** Versions, counts of sources, extension and padding bits, lengths at their ends. */
const SPICE = ['80', '8f', '90', 'a0', 'bf', 'ff', '00', '12340000', '1234ffff', 'bede0001'];

export function rtpPackets(): FuzzTarget {
  const seeds = { inputs: readHexCorpus('rtp.hex'), spice: SPICE.map((piece) => Buffer.from(piece, 'hex')) };
  return { name: 'rtp packets', share: 1, seeds, start: async () => startPackets() };
}

function startPackets(): StartedTarget {
  const verdicts: Verdicts = { good: 0, broken: 0 };
  return {
    verdicts,
    feed: async (inputs) => {
      for (const datagram of inputs) {
        const packet = readRtp(datagram);
        verdicts[packet === undefined ? 'broken' : 'good'] += 1;
        if (packet !== undefined) assert.ok(packet.payload.length <= datagram.length - RTP_HEADER_BYTES);
      }
    },
    stop: async () => {},
  };
}
