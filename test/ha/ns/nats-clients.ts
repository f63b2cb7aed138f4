/**
 * What clients of a rendered NATS cluster may and may not do, and what they lose when a server dies: nothing. Runs inside
 * the cluster's namespace; prints one line of JSON per finding. node nats-clients.ts SECRETS_FILE MEMBERS LEAF
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import {
  BUCKET,
  DEAD_LETTER_STREAM,
  NODE_LEASE_MS,
  TELEMETRY_STREAM,
  telemetrySubject,
} from '@weir/contracts/nats/names';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { waitFor } from '@weir/test/harness/wait';

const [secretsPath = '', members = '', leaf = ''] = process.argv.slice(2);
const secrets = new Map(
  [...readFileSync(secretsPath, 'utf8').matchAll(/^(\w+)=(.*)$/gm)].map((match) => [match[1], match[2] ?? '']),
);
const tell = (finding: string, value: unknown) => process.stdout.write(`${JSON.stringify({ finding, value })}\n`);

const open = (user: string, secret: string, servers = members.split(',')) =>
  connect({
    servers,
    user,
    pass: secrets.get(secret) ?? '',
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    timeout: 10_000,
  });

/** Whether the server refuses: a request that may not be published gets no answer but an error of the connection. */
async function refused(connection: NatsConnection, subject: string): Promise<boolean> {
  const errors: string[] = [];
  void (async () => {
    for await (const status of connection.status()) if (status.type === 'error') errors.push(status.error.message);
  })();
  connection.publish(subject, 'x');
  await connection.flush();
  await delay(200);
  return errors.some((message) => message.includes(subject));
}

const ingest = await open('ingest', 'NATS_PASSWORD_INGEST');
// until the servers have elected who leads, JetStream does not answer
const manager = await waitFor('JetStream', () => jetstreamManager(ingest, { timeout: 2_000 }), { timeoutMs: 50_000 });
const settings = {
  nats: { replicas: 3 },
  telemetry: { streamMaxBytes: 100_000_000, streamMaxAgeMs: 3_600_000 },
};
// and the one who leads places nothing before it has heard of the two others
await waitFor('three servers', () => ensureTelemetryStreams(manager, settings).then(() => true), { timeoutMs: 30_000 });
tell('replicas', (await manager.streams.info(TELEMETRY_STREAM)).cluster?.replicas?.length);

const own = telemetrySubject(0, 'metrics', 'fra-e1');
const node = await open('node-fra-e1', 'NATS_PASSWORD_NODE_FRA_E1');
const acknowledged = await jetstream(node).publish(own, 'first', { msgID: 'first' });
// a replica may answer that has not heard of it yet
const readBack = await waitFor('the own message', async () => {
  const stored = await node.request(`$JS.API.DIRECT.GET.${TELEMETRY_STREAM}.${own}`, '', { timeout: 5_000 });
  return stored.string() || undefined;
});
tell('own telemetry', { seq: acknowledged.seq, readBack });
const kv = await new Kvm(node).create(BUCKET.nodes, { ttl: NODE_LEASE_MS, history: 1, replicas: 3 });
await kv.put('fra-e1', 'alive');
tell('own heartbeat', await waitFor('the own heartbeat', async () => (await kv.get('fra-e1'))?.string()));

const away = await open('node-ams-e1', 'NATS_PASSWORD_NODE_AMS_E1', [leaf]);
const viaLeaf = await jetstream(away).publish(telemetrySubject(0, 'metrics', 'ams-e1'), 'far', { msgID: 'far' });
tell('telemetry through the leaf', viaLeaf.stream);

tell('refused', {
  'another node’s telemetry': await refused(node, telemetrySubject(0, 'metrics', 'fra-e2')),
  'another node’s heartbeat': await refused(node, `$KV.${BUCKET.nodes}.fra-e2`),
  'a dead letter': await refused(node, 'weir.deadletter.0.metrics.fra-e1'),
  'the end of a stream': await refused(node, `$JS.API.STREAM.DELETE.${TELEMETRY_STREAM}`),
  'progress of ingest': await refused(node, `$KV.${BUCKET.progress}.p0`),
  'another node’s telemetry, through the leaf': await refused(away, telemetrySubject(0, 'metrics', 'fra-e1')),
  'the end of a stream, by ingest’s heartbeat': await refused(ingest, `$KV.${BUCKET.nodes}.fra-e1`),
});
tell('dead letters are there', (await manager.streams.info(DEAD_LETTER_STREAM)).config.num_replicas);

// Publish without pause until told to stop; every message is tried again until it is acknowledged.
let stop = false;
process.stdin.once('data', () => {
  stop = true;
});
const leader = (await manager.streams.info(TELEMETRY_STREAM)).cluster?.leader;
tell('leader', leader);
const publisher = jetstream(node, { timeout: 1_000 });
let sent = 0;
let largestPauseMs = 0;
for (let last = performance.now(); !stop; ) {
  try {
    await publisher.publish(own, `message ${sent}`, { msgID: `message-${sent}` });
    sent += 1;
    largestPauseMs = Math.max(largestPauseMs, performance.now() - last);
    last = performance.now();
    if (sent === 50) tell('publishing', sent);
    if (sent % 100 === 0) tell('progress', sent);
  } catch {
    await delay(50);
  }
}
const admin = await open('admin', 'NATS_PASSWORD_ADMIN');
// a question that came to the server that died, or while a leader is chosen, is never answered: it is asked again
const { messages } = await waitFor(
  'the count of messages',
  async () => {
    const asked = await jetstreamManager(admin, { timeout: 2_000, checkAPI: false });
    return (await asked.streams.info(TELEMETRY_STREAM)).state;
  },
  { timeoutMs: 45_000 },
);
tell('kept', { sent, kept: messages - 2, largestPauseMs: Math.round(largestPauseMs) });
process.exit();
