/** Ports before the start: free ones found, taken ones told with their owner. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { checkPorts, createPortFinder } from './ports.ts';

const LOOPBACK = '127.0.0.1';
const listener = (port: number, purpose = 'store') => ({ purpose, host: LOOPBACK, port, flag: '--store-port' });

describe('ports', () => {
  it('are told when taken, with the process that has them', async (test) => {
    const server = createServer().listen(0, LOOPBACK);
    test.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const message = new RegExp(`Port ${port} for the store is taken by .*\\(process ${process.pid}\\).*--store-port`);
    await assert.rejects(checkPorts([listener(port)]), { code: 'UP_PORT_TAKEN', message });
  });

  it('are told when two parts are meant to have the same', async () => {
    await assert.rejects(checkPorts([listener(1), listener(1, 'ingest service')]), {
      code: 'UP_PORT_TAKEN',
      message: /two things, the store and the ingest service/,
    });
  });

  it('are free when chosen, and each is chosen once', async () => {
    const finder = createPortFinder();
    const ports = [];
    for (let count = 0; count < 5; count++) ports.push(await finder.next(LOOPBACK));
    assert.equal(new Set(ports).size, 5);
    await checkPorts(ports.map((port) => listener(port)));
  });

  it('are passed over when taken', async (test) => {
    const [first] = [await createPortFinder().next(LOOPBACK)];
    const server = createServer().listen(first, LOOPBACK);
    test.after(() => server.close());
    await once(server, 'listening');
    assert.notEqual(await createPortFinder(first).next(LOOPBACK), first);
  });
});
