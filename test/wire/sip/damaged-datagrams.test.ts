import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { serialiseMessage } from '../../../src/sip/message.ts';
import { SipUserAgent } from '../../../src/sip/user-agent.ts';
import { mutated, randomOf } from '../../unit/sip/mutation.ts';
import { contactOf, reply, sdpOf, udpPeer, within } from './scripted-peer.ts';
import { place, trunkOf } from './watched-call.ts';

const DATAGRAMS = 20_000;
/** So many in a row that the socket's buffer holds them. */
const BURST = 50;

test('a call lives through a storm of damaged messages about itself, and nothing is logged as an error', async (t) => {
  const errors: string[] = [];
  const log = createLogger({ level: 'warn', destination: { write: (line) => errors.push(line) } });
  const agent = new SipUserAgent({ bind: { address: '127.0.0.1', udpPort: 0 }, log });
  const { udpPort } = await agent.start();
  t.after(() => agent.stop());
  const peer = await udpPeer();
  t.after(() => peer.close());
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  // A damaged Contact may move the target, but not the route: our BYE has to come here.
  const route = { name: 'Record-Route', value: `<sip:${peer.address};lr>` };
  const answer = reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer), route] });
  invite.send(answer);
  await seen.answered;
  await peer.request('ACK');
  const real = ['INVITE', 'UPDATE', 'INFO', 'OPTIONS', 'ACK', 'CANCEL'].map((method, index) =>
    within(peer, invite.message, method, { cseq: 10 + index, sdp: sdpOf(41_002) }),
  );
  const seeds = [reply(invite.message, 180), reply(invite.message, 401), ...real].map(serialiseMessage);
  const attacker = createSocket('udp4');
  t.after(() => attacker.close());
  const random = randomOf(7);
  for (let sent = 0; sent < DATAGRAMS; sent += 1) {
    attacker.send(mutated(random, seeds), udpPort, '127.0.0.1');
    if (sent % BURST === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  attacker.send(Buffer.alloc(0), udpPort, '127.0.0.1');
  assert.deepEqual(seen.ends, []);
  assert.deepEqual(errors, []);
  const asking = agent.options(trunkOf(peer));
  const options = await peer.request('OPTIONS');
  options.send(reply(options.message, 200));
  assert.equal((await asking).kind, 'alive');
  seen.call.hangUp();
  const bye = await peer.request('BYE');
  bye.send(reply(bye.message, 200));
  assert.deepEqual(seen.ends, [{ kind: 'hung-up', by: 'us' }]);
});
