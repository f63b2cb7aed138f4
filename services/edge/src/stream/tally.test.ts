// Sums of what connections moved: they may be a little old, but never fall, and lose nothing of who leaves.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Tally } from './tally.ts';

const socketOf = (bytesRead: number, bytesWritten: number, writableLength = 0) => ({
  bytesRead,
  bytesWritten,
  writableLength,
});
const bytesOf = (tally: Tally, role: string, maxAgeMs = 0) => {
  const row = tally.sums(maxAgeMs).io.find((one) => one.role === role);
  return [row?.bytesIn, row?.bytesOut];
};

describe('the tally', () => {
  it('sums numbers and bytes by role, protocol and app', () => {
    const tally = new Tally();
    tally.add({ role: 'publisher', protocol: 'rtmp', app: 'live', socket: socketOf(900, 10) });
    tally.add({ role: 'viewer', protocol: 'rtmp', app: 'live', socket: socketOf(5, 700, 30) });
    tally.add({ role: 'viewer', protocol: 'http-flv', app: 'shop', socket: socketOf(5, 400) });
    tally.add({ role: 'relay', protocol: 'rtmp', app: 'live', socket: socketOf(1, 2, 3) });
    tally.addMoved('relay', { bytesIn: 50, bytesOut: 60 });
    assert.deepEqual(tally.sums(0), {
      connections: [
        { role: 'publisher', protocol: 'rtmp', open: 1, opened: 1 },
        { role: 'viewer', protocol: 'rtmp', open: 1, opened: 1 },
        { role: 'viewer', protocol: 'http-flv', open: 1, opened: 1 },
        { role: 'relay', protocol: 'rtmp', open: 1, opened: 1 },
      ],
      io: [
        { role: 'publisher', bytesIn: 900, bytesOut: 10 },
        { role: 'viewer', bytesIn: 10, bytesOut: 1_100 },
        { role: 'relay', bytesIn: 51, bytesOut: 62 },
      ],
      apps: [
        { app: 'live', viewers: 1, publishers: 1, bytesIn: 900, bytesOut: 700 },
        { app: 'shop', viewers: 1, publishers: 0, bytesIn: 0, bytesOut: 400 },
      ],
      sendQueueBytes: 33,
    });
    assert.equal(tally.count('viewer'), 2);
  });

  it('has all bytes of a connection that left, whenever it was last read', () => {
    const tally = new Tally();
    const socket = socketOf(0, 100);
    const entry = tally.add({ role: 'viewer', protocol: 'rtmp', app: 'live', socket });
    assert.deepEqual(bytesOf(tally, 'viewer'), [0, 100]);
    socket.bytesWritten = 250;
    tally.remove(entry);
    tally.remove(entry);
    assert.deepEqual(bytesOf(tally, 'viewer'), [0, 250]);
    const { connections, apps } = tally.sums(0);
    assert.deepEqual(connections, [{ role: 'viewer', protocol: 'rtmp', open: 0, opened: 1 }]);
    assert.deepEqual(apps, [{ app: 'live', viewers: 0, publishers: 0, bytesIn: 0, bytesOut: 250 }]);
  });

  it('never falls when a socket forgets what it still had to write', () => {
    const tally = new Tally();
    const socket = socketOf(0, 1_000, 600);
    const entry = tally.add({ role: 'viewer', protocol: 'rtmp', app: 'live', socket });
    assert.deepEqual(bytesOf(tally, 'viewer'), [0, 1_000]);
    socket.bytesWritten = 400;
    assert.deepEqual(bytesOf(tally, 'viewer'), [0, 1_000]);
    tally.remove(entry);
    assert.deepEqual(bytesOf(tally, 'viewer'), [0, 1_000]);
  });

  it('reads the sockets no oftener than it is told to', () => {
    const tally = new Tally();
    const socket = socketOf(0, 100);
    tally.add({ role: 'viewer', protocol: 'rtmp', app: 'live', socket });
    assert.deepEqual(bytesOf(tally, 'viewer', 60_000), [0, 100]);
    socket.bytesWritten = 300;
    assert.deepEqual(bytesOf(tally, 'viewer', 60_000), [0, 100]);
    assert.deepEqual(bytesOf(tally, 'viewer'), [0, 300]);
  });

  it('puts apps beyond those it tells apart under the empty name', () => {
    const tally = new Tally();
    for (let app = 0; app < 5_002; app += 1) {
      tally.add({ role: 'viewer', protocol: 'rtmp', app: `app-${app}`, socket: socketOf(0, 1) });
    }
    const { apps } = tally.sums(0);
    assert.equal(apps.length, 5_001);
    assert.deepEqual(apps.at(-1), { app: '', viewers: 2, publishers: 0, bytesIn: 0, bytesOut: 2 });
  });
});
