/**
 * What measuring costs a node: a process with the whole way from sources to NATS (OpenTelemetry's SDK, host figures, outbox
 * on disk, publisher) beside one that is the same but measures nothing, in turns of equal length. Media delay with and
 * without it: `npm run bench -- rtmp-delay`, with and without --without-telemetry.
 *
 *   npm run bench -- exporter [--streams 24] [--interval 5] [--for 60] [--json]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { createLogger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { MEDIA_FLAGS } from '@weir/edge/process-flags';
import { startNats } from '@weir/test/harness/nats';
import { mediaSnapshot, readTelemetry, streamSnapshot } from '@weir/test/harness/telemetry';
import { cpuSeconds, machineLoad } from './pipeline/process-cost.ts';

interface ProcessSpec {
  values: PartialConfig;
  streams: number;
  measures: boolean;
}

/** Modules are loaded and the first samples taken before it counts. */
const WARM_UP_MS = 15_000;

async function bench(): Promise<void> {
  const { values } = parseArgs({
    options: {
      streams: { type: 'string', default: '24' },
      interval: { type: 'string', default: '5' },
      for: { type: 'string', default: '60' },
      json: { type: 'boolean', default: false },
    },
  });
  const loadBefore = machineLoad();
  const nats = await startNats();
  const connection = await connect({ servers: nats.url });
  await ensureTelemetryStreams(await jetstreamManager(connection), loadConfig());
  const dir = mkdtempSync(join(tmpdir(), 'weir-exporter-'));
  try {
    const seconds = Number(values.for);
    const measure = (measures: boolean) =>
      measureProcess(
        {
          streams: Number(values.streams),
          measures,
          values: {
            nats: { servers: [nats.url] },
            node: { dataDir: join(dir, 'node') },
            machine: { stateDir: dir },
            telemetry: { intervalMs: Number(values.interval) * 1_000 },
          },
        },
        seconds,
      );
    const bare = await measure(false);
    const measured = await measure(true);
    const samples = (await readTelemetry(connection)).filter(({ signal }) => signal === 'metrics');
    const figures = {
      bench: 'exporter',
      seriesPerSample: Math.max(0, ...samples.map((message) => message.samples.length)),
      samples: samples.length,
      intervalSeconds: Number(values.interval),
      seconds,
      coreShare: rounded((measured.cpuSeconds - bare.cpuSeconds) / seconds, 5),
      residentMegabytes: rounded(measured.residentMegabytes - bare.residentMegabytes, 1),
      measured,
      bare,
      machineLoad: [loadBefore, machineLoad()],
    };
    if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    else console.log(figures);
  } finally {
    await connection.close();
    await nats.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measureProcess(
  spec: ProcessSpec,
  seconds: number,
): Promise<{ cpuSeconds: number; residentMegabytes: number }> {
  const child = fork(import.meta.filename, [JSON.stringify(spec)], { execArgv: [...MEDIA_FLAGS] });
  const exited = once(child, 'exit');
  try {
    const ready = once(child, 'message');
    await Promise.race([ready, exited.then(([status]) => Promise.reject(new Error(`The process ended: ${status}.`)))]);
    await delay(WARM_UP_MS);
    const pid = child.pid ?? 0;
    const before = cpuSeconds(pid);
    await delay(seconds * 1_000);
    const used = cpuSeconds(pid) - before;
    const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return { cpuSeconds: rounded(used, 2), residentMegabytes: rounded((Number(resident) * 1_024) / 1e6, 1) };
  } finally {
    child.disconnect();
    await exited;
  }
}

async function runProcess({ values, streams, measures }: ProcessSpec): Promise<void> {
  const config = loadConfig({ values });
  const logger = createLogger('exporter', 'error');
  const nats = connectNats(config.nats, 'exporter', logger);
  await nats.ready(10_000);
  let tick = 0;
  const snapshot = () => {
    tick++;
    return mediaSnapshot({
      connections: [{ role: 'viewer', protocol: 'rtmp', open: tick % 50, opened: tick * 3 }],
      streams: Array.from({ length: streams }, (_, at) =>
        streamSnapshot(`stream-${at}`, {
          viewers: (tick * at) % 40,
          bytesIn: tick * 540_000 + at,
          bytesOut: tick * 5_400_000 + at,
          videoFrames: tick * 125,
          audioFrames: tick * 215,
        }),
      ),
    });
  };
  // loaded only where it measures: its modules are part of what it costs
  const telemetry = measures
    ? await (await import('@weir/edge/telemetry/telemetry')).startTelemetry({
        config,
        identity: { node: 'edge-1', role: 'edge', addresses: { rtmp: 'h:1935', relay: 'h:1936', http: 'h:8080' } },
        nats,
        stats: { snapshot },
        logger,
      })
    : undefined;
  await telemetry?.ready;
  process.once('disconnect', () => {
    void (telemetry?.close() ?? Promise.resolve()).then(() => nats.close()).then(() => process.exit(0));
  });
  process.send?.('ready');
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

if (process.send) await runProcess(JSON.parse(process.argv[2] ?? '{}') as ProcessSpec);
else await bench();
