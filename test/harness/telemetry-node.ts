/**
 * The telemetry of one node in a process of its own, to be killed. Its media opens one connection per sample. Started by
 * {@link startTelemetryNode}; run directly it is that process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { createLogger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import { startTelemetry } from '@weir/edge/telemetry/telemetry';
import { mediaSnapshot } from './telemetry.ts';

/** What the process is told. */
export interface TelemetryNodeSpec {
  node: string;
  values: PartialConfig;
}

/** A running node. */
export interface TelemetryNode {
  readonly child: ChildProcess;
  /** Samples taken so far, as the node last told. */
  readonly samples: number;
  /** Ends the process as a crash would. */
  kill9(): Promise<void>;
  /** Closes telemetry in good order and ends the process. */
  close(): Promise<void>;
}

/** Starts the process and resolves when its SDK runs. */
export async function startTelemetryNode(spec: TelemetryNodeSpec): Promise<TelemetryNode> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(spec)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let samples = 0;
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message) => {
      if (message === 'ready') resolve();
      else samples = Number(message);
    });
    child.once('exit', (code) => reject(new Error(`the node ended with ${code}`)));
  });
  const end = async (how: () => void) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    how();
    await gone;
  };
  await ready;
  return {
    child,
    get samples() {
      return samples;
    },
    kill9: () => end(() => child.kill('SIGKILL')),
    close: () => end(() => child.send('close')),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await run(JSON.parse(process.argv[2] ?? '{}') as TelemetryNodeSpec);

async function run({ node, values }: TelemetryNodeSpec): Promise<void> {
  const config = loadConfig({ values });
  const logger = createLogger(node, 'silent');
  const nats = connectNats(config.nats, node, logger);
  let samples = 0;
  const telemetry = await startTelemetry({
    config,
    identity: { node, role: 'edge', addresses: { rtmp: 'h:1935', relay: 'h:1936', http: 'h:8080' } },
    nats,
    stats: {
      snapshot() {
        samples++;
        process.send?.(samples);
        return mediaSnapshot({ connections: [{ role: 'viewer', protocol: 'rtmp', open: samples, opened: samples }] });
      },
    },
    logger,
  });
  process.once('message', () => {
    void telemetry
      .close()
      .then(() => nats.close())
      .then(() => process.exit(0));
  });
  process.once('disconnect', () => process.exit(1));
  await telemetry.ready;
  process.send?.('ready');
}
