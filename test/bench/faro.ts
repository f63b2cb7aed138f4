/**
 * `npm run bench -- faro [--seconds 10] [--connections 32] [--json]`: how many browser payloads one core of a receiving
 * ingest takes into JetStream. Payloads are the player's own heartbeats; the rate is per second of ingest's CPU time, so
 * that the load generator and nats-server beside it do not count.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { startTestIngest } from '@weir/test/harness/ingest';
import { startPipeline } from '@weir/test/harness/pipeline';
import { waitFor } from '@weir/test/harness/wait';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    connections: { type: 'string', default: '32' },
    json: { type: 'boolean', default: false },
  },
});
const TARGET_PER_CORE = 5_000;
const WARM_UP_MS = 2_000;
const TICKS_PER_SECOND = 100;
const KEY = 'bench-key';

/** A heartbeat as the player sends it. */
function body(): Buffer {
  const meta = {
    sdk: { name: 'faro-web', version: '2.12.1' },
    app: { name: 'weir-player', version: '0.1.0' },
    browser: {
      name: 'Chrome',
      version: '156.0.0.0',
      os: 'Linux',
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64)',
      mobile: false,
    },
    page: { url: 'https://tv.example/player/' },
    session: { id: 'yXFHaCpK79rnDY0D' },
  };
  const values = {
    ...{ interval_ms: 10_000, watched_ms: 9_998.2, stalls: 0, stalled_ms: 0, frames_decoded: 250, frames_dropped: 1 },
    ...{
      reconnects: 0,
      rate_changes: 2,
      buffer_ms: 412.5,
      target_ms: 250,
      bitrate: 2_412_000,
      rate: 1,
      delay_ms: 483.1,
    },
  };
  const context = { app: 'live', stream: 'demo', node: 'edge-2', connection: 'f6264e34-b76f-4c25-957d-41be0a9f4de5' };
  const measurements = [{ type: 'player.heartbeat', values, timestamp: new Date().toISOString(), context }];
  return Buffer.from(JSON.stringify({ meta, measurements }));
}

/** Posts one payload after the other over one connection until told to stop. */
function send(port: number, payload: Buffer, tally: { accepted: number; refused: number }, sender: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let number = 0;
  const next = () => {
    number += 1;
    const head = `POST /faro/collect HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nx-api-key: ${KEY}\r\nIdempotency-Key: ${sender}-${number}\r\nContent-Length: ${payload.length}\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(head, 'latin1'), payload]));
  };
  socket.on('connect', next);
  socket.on('data', (answer) => {
    if (answer.toString('latin1', 9, 12) === '202') tally.accepted += 1;
    else tally.refused += 1;
    next();
  });
  socket.on('error', () => socket.destroy());
  return socket;
}

/** CPU time of a process, user and system, s. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const pipeline = await startPipeline();
const ingest = await startTestIngest({
  ...pipeline,
  config: { ingest: { role: 'receive' }, faro: { keys: [`bench=${KEY}`], ratePerKey: 0, ratePerAddress: 0 } },
});
const nats = await connectNats({ servers: pipeline.nats.url });
const tally = { accepted: 0, refused: 0 };
const sockets: Socket[] = [];
try {
  const manager = await jetstreamManager(nats);
  const stored = async () => (await manager.streams.info(TELEMETRY_STREAM)).state.messages;
  await waitFor('the receiver', async () => (await ingest.ready()).status === 200);
  const payload = body();
  const port = Number(new URL(ingest.url).port);
  for (let i = 0; i < Number(options.connections); i++) sockets.push(send(port, payload, tally, i));
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  const before = { accepted: tally.accepted, cpu: cpuSeconds(ingest.pid), at: performance.now() };
  await new Promise((resolve) => setTimeout(resolve, Number(options.seconds) * 1_000));
  const seconds = (performance.now() - before.at) / 1_000;
  const cpu = cpuSeconds(ingest.pid) - before.cpu;
  const accepted = tally.accepted - before.accepted;
  for (const socket of sockets) socket.destroy();
  const inStream = await waitFor('all accepted payloads in JetStream', async () => {
    const messages = await stored();
    return messages >= tally.accepted ? messages : undefined;
  });
  const result = {
    payloadBytes: payload.length,
    perSecond: Math.round(accepted / seconds),
    perCore: Math.round(accepted / cpu),
    targetPerCore: TARGET_PER_CORE,
    accepted: tally.accepted,
    refused: tally.refused,
    inJetStream: inStream,
  };
  if (options.json) console.log(JSON.stringify(result));
  else console.table(result);
} finally {
  await nats.close();
  await ingest.close();
  await pipeline.close();
}
