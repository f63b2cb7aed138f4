/** `weir nodes` says why a node is not there: NATS refuses it, or it runs a version that is too old. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import { BUCKET } from '@weir/contracts/nats/names';
import { freePort } from '@weir/test/harness/free-port';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { eventually } from '@weir/test/harness/wait';
import { weir } from './cli-process.ts';

describe('why a node is not there', () => {
  let nats: TestNats;
  let connection: NatsConnection;
  let monitor: string;
  before(async () => {
    const port = await freePort();
    monitor = `http://127.0.0.1:${port}`;
    nats = await startNats({ args: ['--user', 'weir', '--pass', 'right', '--http_port', String(port)] });
    connection = await connect({ servers: nats.url, user: 'weir', pass: 'right' });
  });
  after(async () => {
    await connection?.close();
    await nats?.close();
  });
  const listed = async () => {
    const login = ['--nats-servers', nats.url, '--nats-user', 'weir', '--nats-password', 'right'];
    // nothing runs in this folder or above: only what is said here counts
    const { stdout } = await weir(['nodes', '--json', ...login, '--nats-monitors', monitor], { cwd: '/' });
    const rows = JSON.parse(stdout) as { node: string; reasons: string[] }[];
    return new Map(rows.map(({ node, reasons }) => [node, reasons.join(' ')]));
  };

  it('tells of a node that cannot log in, also of one nobody has heard of before', async () => {
    const { nats: config } = loadConfig({
      values: { nats: { servers: [nats.url], user: 'weir', password: 'wrong' } },
    });
    // under the name of its connection that services/edge uses
    const refused = connectNats(config, 'weir-edge-7', createLogger('test', 'silent'));
    await assert.rejects(refused.ready(10_000), { code: 'NATS_AUTH' });
    const rows = await eventually(listed, (found) => found.has('edge-7'));
    assert.match(
      String(rows.get('edge-7')),
      /^NATS refuses its credentials \(from 127\.0\.0\.1, last at \d\d:\d\d:\d\d UTC\): check its nats\.user, nats\.password, nats\.token or nats\.credsFile\.$/,
    );
    assert.equal(rows.size, 1);
    await refused.close();
  });

  it('tells of a version that is too old', async () => {
    const kv = await new Kvm(connection).create(BUCKET.nodes);
    const record = (node: string, version: string) => ({
      ...{ node, version, role: 'edge', cluster: 'weir', site: 's', machineId: `m-${node}`, pid: 1 },
      ...{ startedAtMs: Date.now(), addresses: { rtmp: 'a:1', relay: 'a:2', http: 'a:3' }, capacity: 1 },
      ...{ load: { publishers: 0, viewers: 0, relays: 0, streams: 0 }, draining: false },
    });
    await kv.put('edge-1', JSON.stringify(record('edge-1', '0.9.0')));
    await kv.put('edge-2', JSON.stringify(record('edge-2', '0.10.0')));
    const rows = await listed();
    assert.equal(rows.get('edge-1'), 'Its version 0.9.0 is too old: others run 0.10.0.');
    assert.equal(rows.get('edge-2'), '');
  });
});
