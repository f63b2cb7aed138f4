/** Telemetry of nodes that are killed -9 at the worst moments: nothing lost, nothing twice, one voice per machine. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { connectNats, type NatsHandle } from '@weir/contracts/nats/connect';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { readTelemetry, samplesOf, type TelemetryMessage, total, withoutRepeats } from '@weir/test/harness/telemetry';
import { startTelemetryNode, type TelemetryNode } from '@weir/test/harness/telemetry-node';
import { waitFor } from '@weir/test/harness/wait';

/** Long enough that a busy machine does not miss the three samples after which a hand-over starts afresh. */
const INTERVAL_MS = 500;
/** So short that repeats are stored again and must be told by outbox and sequence. */
const DUPLICATE_WINDOW_MS = 100;

describe('telemetry of nodes that are killed', () => {
  let nats: TestNats;
  let handle: NatsHandle;
  let dir: string;
  let nodes: TelemetryNode[];

  beforeEach(async () => {
    nats = await startNats();
    dir = mkdtempSync(join(tmpdir(), 'weir-crash-'));
    nodes = [];
    const config = loadConfig({ values: { nats: { servers: [nats.url] } } });
    handle = connectNats(config.nats, 'test', createLogger('test', 'silent'));
    const jsm = await jetstreamManager(await handle.ready(10_000));
    await ensureTelemetryStreams(jsm, config, DUPLICATE_WINDOW_MS);
  });
  afterEach(async () => {
    for (const node of nodes) await node.kill9();
    await handle.close();
    await nats.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(node: string, intervalMs = INTERVAL_MS): Promise<TelemetryNode> {
    const values = {
      nats: { servers: [nats.url] },
      node: { dataDir: join(dir, node) },
      machine: { stateDir: dir },
      telemetry: { intervalMs },
    };
    const started = await startTelemetryNode({ node, values });
    nodes.push(started);
    return started;
  }

  const read = async () => readTelemetry(await handle.ready(10_000));
  const isAbout = (message: TelemetryMessage, metric: string) => samplesOf([message], metric).length > 0;

  it('neither lose nor double a message when killed between writing it and its acknowledgement', async () => {
    for (let round = 0; round < 3; round++) {
      const node = await start('edge-1', 100);
      await waitFor('samples', () => node.samples >= 3);
      const before = node.samples;
      // NATS stops answering, but takes what is sent into its socket: stored later, acknowledged to nobody
      process.kill(nats.pid, 'SIGSTOP');
      await waitFor('samples that nobody acknowledges', () => node.samples >= before + 4);
      await node.kill9();
      process.kill(nats.pid, 'SIGCONT');
    }
    const last = await start('edge-1', 100);
    await waitFor('samples', () => last.samples >= 3);
    await last.close();

    const all = await read();
    const messages = withoutRepeats(all);
    assert.ok(all.length > messages.length, 'messages whose acknowledgement was lost came again');
    assert.deepEqual(
      messages.map(({ sequence }) => sequence),
      messages.map((_, index) => index + 1),
      'no hole, in order',
    );
    assert.ok(all.every(({ outbox, sequence, messageId }) => messageId === `${outbox}:${sequence}`));
    assert.equal(new Set(all.map(({ outbox }) => outbox)).size, 1);
  });

  it('report their machine once, and another goes on when the reporter dies, without gap or double count', async () => {
    const startedAt = performance.now();
    const first = await start('edge-1');
    const second = await start('edge-2');
    await waitFor('samples of both', () => first.samples >= 5 && second.samples >= 5);
    const atKill = second.samples;
    await first.kill9();
    await waitFor('samples of the heir', () => second.samples >= atKill + 6);
    await second.close();
    const wallSeconds = (performance.now() - startedAt) / 1_000;

    const messages = await read();
    const byFirst = messages.filter((message) => message.node === 'edge-1');
    const bySecond = messages.filter((message) => message.node === 'edge-2');
    assert.ok(byFirst.every((message) => isAbout(message, 'system.memory.limit')));
    const heirs = bySecond.filter((message) => isAbout(message, 'system.memory.limit'));
    assert.ok(
      heirs.length >= 5 && heirs.length < bySecond.length,
      'the second one reports from the death of the first on',
    );
    const timeOf = (message: TelemetryMessage | undefined) => message?.samples[0]?.timeMs ?? Number.NaN;
    const lastOfFirst = Math.max(...byFirst.map(timeOf));
    const gapMs = timeOf(heirs[0]) - lastOfFirst;
    assert.ok(
      gapMs > 0 && gapMs <= 3 * INTERVAL_MS,
      `the heir's first sample is ${gapMs} ms after the reporter's last`,
    );
    assert.ok(
      bySecond.every((message) => isAbout(message, 'process.uptime')),
      'each node tells of its own process',
    );

    // all processors together spend one second per second and processor: a lost or doubled interval would show
    const machineTimes = messages.filter((message) => isAbout(message, 'system.cpu.time')).map(timeOf);
    const coveredSeconds = ((Math.max(...machineTimes) - Math.min(...machineTimes)) / 1_000) * cpus().length;
    const toldSeconds = total(messages, 'system.cpu.time') - total(byFirst.slice(0, 1), 'system.cpu.time');
    assert.ok(toldSeconds < wallSeconds * cpus().length, `${toldSeconds} s of CPU time in ${wallSeconds} s`);
    assert.ok(Math.abs(toldSeconds / coveredSeconds - 1) < 0.15, `${toldSeconds} s told, ${coveredSeconds} s passed`);
  });
});
