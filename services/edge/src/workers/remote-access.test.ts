/** Clients of a worker have their places in the primary, and give them back. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import type { Admission } from '../access/access.ts';
import { plainAddress } from '../access/address.ts';
import type { Refusal } from '../access/check.ts';
import { FrontDesk } from './front-desk.ts';
import { RemoteAccess } from './remote-access.ts';

const FULL: Refusal = { refused: 'limit', description: 'The node is full.' };

/** A worker's access in front of a primary with `room` places. */
function start(room: number) {
  let taken = 0;
  const access: Admission = {
    admit(socket) {
      if (taken >= room) return FULL;
      taken += 1;
      socket.once('close', () => {
        taken -= 1;
      });
      return undefined;
    },
    connect: async () => undefined,
    ask: async () => assert.fail('nobody asks'),
  };
  const desk = new FrontDesk(access, (message) => {
    if (message.kind === 'answer') remote.answered(message);
  });
  const remote = new RemoteAccess((message) => desk.receive(message));
  const come = (port?: number, address = port === undefined ? undefined : '10.0.0.1') => {
    const socket = Object.assign(new EventEmitter<{ close: [] }>(), { remoteAddress: address, remotePort: port });
    remote.admit(socket);
    return socket;
  };
  const connect = (port: number) =>
    remote.connect(
      { protocol: 'rtmp', address: plainAddress('10.0.0.1'), port, userAgent: '' },
      'live',
      new URLSearchParams(),
    );
  return { come, connect, taken: () => taken };
}

describe('clients of a worker', () => {
  it('give back their places when they reset before they were accepted, and have no address any more', () => {
    const { come, taken } = start(10);
    const checks = [come(), come(), come()];
    const other = come(4_001);
    assert.equal(taken(), 4);
    for (const check of checks) check.emit('close');
    assert.equal(taken(), 1);
    other.emit('close');
    assert.equal(taken(), 0);
  });

  it('are refused by the primary when they ask, those only that found no place', async () => {
    const { come, connect } = start(1);
    const first = come(4_001);
    come(4_002);
    assert.equal(await connect(4_001), undefined);
    assert.equal((await connect(4_002))?.refused, 'limit');
    first.emit('close');
    come(4_003);
    assert.equal(await connect(4_003), undefined);
  });

  it('are another one on a port that is used again before the first was seen to leave', async () => {
    const { come, connect, taken } = start(1);
    const first = come(4_001);
    const second = come(4_001);
    assert.equal((await connect(4_001))?.refused, 'limit', 'the second found no place');
    first.emit('close');
    assert.equal(taken(), 0);
    assert.equal((await connect(4_001))?.refused, 'limit', 'and keeps its answer');
    second.emit('close');
    assert.equal(taken(), 0);
  });
});
