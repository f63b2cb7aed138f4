// What a node with workers tells of itself is one node's: one identity, sums of all workers, nothing lost when one dies.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { loadConfig } from '@weir/contracts/config/load';
import { CONNECTION_ATTRIBUTE, EVENT } from '@weir/contracts/events';
import { createLogger } from '@weir/contracts/logger';
import { connectNats, type NatsHandle } from '@weir/contracts/nats/connect';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { RESOURCE } from '@weir/contracts/resource';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { publishClip } from '@weir/test/harness/rtmp-viewer';
import { readTelemetry, samplesOf, type TelemetryMessage, total, withoutRepeats } from '@weir/test/harness/telemetry';
import { waitFor } from '@weir/test/harness/wait';
import { playOnEachWorker, workerServing } from '@weir/test/harness/worker-viewers';

let nats: TestNats;
let handle: NatsHandle;
let node: TestNode;

before(async () => {
  nats = await startNats();
  const config = loadConfig({ values: { nats: { servers: [nats.url] } } });
  handle = connectNats(config.nats, 'test', createLogger('test', 'silent'));
  const connection = await handle.ready(10_000);
  await ensureTelemetryStreams(await jetstreamManager(connection), config);
  const telemetry = { intervalMs: 500 };
  node = await startTestNode({ node: { workers: 2 }, nats: { servers: [nats.url] }, telemetry }, { measures: true });
});
after(async () => {
  await node.close();
  await handle.close();
  await nats.close();
});

it('tells one node’s figures and every connection’s beginning and end, also of a worker that is killed', async () => {
  const published = async (): Promise<TelemetryMessage[]> =>
    withoutRepeats(await readTelemetry(await handle.ready(10_000)));
  const publisher = await publishClip(node.rtmpUrl('live/demo'));
  const viewers = await playOnEachWorker(node, 'live/demo', 2);
  await waitFor('a sample of all processes', async () => {
    const messages = await published();
    const seen = new Set(samplesOf(messages, 'process.memory.usage').map((one) => one.attributes['weir.worker']));
    const told = samplesOf(messages, 'live.stream.viewers', { stream: 'demo' }).at(-1)?.value;
    return seen.has(undefined) && seen.has('1') && seen.has('2') && told === viewers.length;
  });

  const [victim] = node.workers();
  const served = viewers.filter(({ client }) => workerServing(node, client.socket) === victim?.index);
  process.kill(victim?.pid ?? 0, 'SIGKILL');
  await waitFor('its clients to be cut', () => served.every((viewer) => viewer.isClosed));
  await waitFor('it to be back', () => node.workers()[0]?.restarts === 1 && node.workers()[0]?.pid !== 0);
  await node.close();
  await publisher.closed;

  const messages = await published();
  assert.deepEqual([...new Set(messages.map((message) => message.node))], ['edge-a']);
  assert.equal(new Set(messages.map(({ outbox }) => outbox)).size, 1);
  assert.deepEqual([...new Set(messages.map(({ resource }) => resource[RESOURCE.processId]))], [process.pid]);
  assert.equal(total(messages, 'live.connections.opened', { role: 'viewer' }), viewers.length);
  assert.equal(total(messages, 'live.connections.closed', { role: 'viewer' }), viewers.length);
  assert.equal(total(messages, 'live.connections.closed', { role: 'viewer', reason: 'error' }), served.length);
  assert.equal(total(messages, 'live.connections.opened', { role: 'publisher' }), 1);
  assert.equal(total(messages, 'live.connections.closed', { role: 'publisher' }), 1);
  assert.equal(total(messages, 'live.io', { role: 'relay' }), 0);
  // The machine is reported once, the node's uptime is the primary's.
  assert.equal(
    samplesOf(messages, 'process.uptime').every((one) => one.attributes['weir.worker'] === undefined),
    true,
  );
  const moments = samplesOf(messages, 'system.memory.limit').map(({ timeMs }) => timeMs);
  assert.equal(new Set(moments).size, moments.length);

  const records = messages.flatMap((message) => message.records);
  const ids = (name: string) =>
    records.filter((one) => one.eventName === name).map((one) => one.attributes.get(CONNECTION_ATTRIBUTE.id));
  const opened = ids(EVENT.connectionOpened);
  assert.equal(new Set(opened).size, viewers.length + 1);
  assert.deepEqual(new Set(ids(EVENT.connectionClosed)), new Set(opened));
});
