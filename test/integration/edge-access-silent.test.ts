// Connections that never speak, as load balancers' checks make them every second: counted apart, no session, no log line.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { type Node, startNode } from '@weir/edge/main';
import { makeCertificate, type TestCertificate } from '@weir/test/harness/certificate';
import { NO_NATS, TEST_RELAY_KEY } from '@weir/test/harness/edge';
import { waitFor } from '@weir/test/harness/wait';

const CHECKS = 20;

for (const workers of [1, 2]) {
  describe(`a health check by TCP, ${workers === 1 ? 'one process' : 'two workers'}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-silent-'));
    const lines: string[] = [];
    let certificate: TestCertificate;
    let node: Node;
    before(async () => {
      certificate = await makeCertificate();
      const { certFile, keyFile } = certificate;
      const host = '127.0.0.1';
      const listen = { host, port: 0, tlsPort: 0 };
      const config = loadConfig({
        values: {
          node: { name: 'edge-a', workers, dataDir: join(folder, 'node') },
          machine: { stateDir: join(folder, 'machine') },
          rtmp: listen,
          http: listen,
          tls: { certFile, keyFile },
          relay: { host, port: 0, keys: [TEST_RELAY_KEY] },
          nats: { servers: [NO_NATS] },
          log: { level: 'silent' },
        },
      });
      const logger = createLogger('edge-a', 'silent');
      const noted = new Proxy(logger, {
        get: (target, name) =>
          ['info', 'warn', 'error'].includes(String(name))
            ? (...what: unknown[]) => lines.push(JSON.stringify(what))
            : Reflect.get(target, name),
      });
      node = await startNode({ config, logger: noted, measures: false });
    });
    after(async () => {
      await node.close();
      certificate.remove();
      rmSync(folder, { recursive: true, force: true });
    });
    const silent = () => node.stats().refused.filter(({ reason }) => reason === 'silent');
    const count = (protocol: string) => silent().find((entry) => entry.protocol === protocol)?.count ?? 0;

    it('is counted by protocol, and is nothing else: no connection, no line of the log, no place taken', async () => {
      lines.length = 0;
      const { rtmps = '', https = '' } = node.urls;
      const ports = [node.addresses.rtmp, node.addresses.http, new URL(rtmps).host, new URL(https).host].map(
        (address) => Number(address.split(':').at(-1)),
      );
      for (const port of ports) {
        for (let i = 0; i < CHECKS; i += 1) {
          await new Promise<void>((resolve) => {
            // Some end in good order, some reset, as checkers do.
            const socket = connect(port, '127.0.0.1', () => (i % 2 ? socket.resetAndDestroy() : socket.end()));
            socket.on('error', () => {}).once('close', () => resolve());
            socket.resume();
          });
        }
      }
      await waitFor(
        'all to be counted',
        () => [count('rtmp'), count('rtmps'), count('http-flv')].join() === [CHECKS, CHECKS, 2 * CHECKS].join(),
      ).catch(() => assert.fail(JSON.stringify(silent())));
      const { connections, closed, refused } = node.stats();
      assert.deepEqual([connections, closed], [[], []]);
      assert.deepEqual([...new Set(refused.map(({ reason }) => reason))], ['silent']);
      const aboutClients = lines.filter((line) => !line.includes('NATS'));
      assert.deepEqual(aboutClients, []);
      // A place is given back when the socket has closed, which may be a moment after it was counted.
      await waitFor('all places given back', async () => {
        const room = (await (await fetch(`${node.urls.admin}/v1/node`)).json()) as { connections: number };
        return room.connections === 0;
      });
    });
  });
}
