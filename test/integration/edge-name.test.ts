/** A node's name belongs to one machine at a time (M9): the second is refused, says so, is shown, and stores nothing under it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import { TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { startNodeProcess } from '@weir/test/harness/edge-process';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { eventually } from '@weir/test/harness/wait';
import { CLI, weir } from './cli-process.ts';

describe('the name of a node', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-name-'));
  let nats: TestNats;
  before(async () => {
    nats = await startNats();
  });
  after(async () => {
    await nats?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const overrides = (machine: string) => ({
    machine: { id: machine, stateDir: join(folder, machine) },
    node: { name: 'edge-1', dataDir: join(folder, machine, 'node') },
    nats: { servers: [nats.url] },
  });
  const listed = async () => {
    const { stdout } = await weir(['nodes', '--json', '--nats-servers', nats.url], { cwd: folder });
    return JSON.parse(stdout) as { node: string; alive: { machineId: string } | null; reasons: string[] }[];
  };
  const holder = async () => (await listed()).map(({ alive }) => alive?.machineId).join();
  /** Each look is a program of its own, the lease has to end, and the program starts meanwhile: seconds each. */
  const TAKEN_UP_MS = 120_000;
  /** The real program, with its telemetry, as the second machine. */
  const startSecond = () => {
    const { machine, node } = overrides('machine-b');
    const flags = { 'machine-id': machine.id, 'machine-state-dir': machine.stateDir, 'node-name': node.name };
    const ports = { 'rtmp-port': '0', 'http-port': '0', 'relay-port': '0', 'telemetry-interval-ms': '200' };
    const all = { ...flags, ...ports, 'node-data-dir': node.dataDir, 'nats-servers': nats.url, 'relay-keys': 'k' };
    const args = Object.entries(all).flatMap(([flag, value]) => [`--${flag}`, value]);
    return spawn(process.execPath, [CLI, 'edge', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  };

  it('is held by the first machine, and the second ends, saying who has it; nothing it measured is sent', async () => {
    const connection = await connect({ servers: nats.url });
    const jsm = await jetstreamManager(connection);
    await ensureTelemetryStreams(jsm, loadConfig());
    const first = await startNodeProcess(overrides('machine-a'));
    await eventually(holder, (machine) => machine === 'machine-a');
    const second = startSecond();
    const [said, [status]] = await Promise.all([text(second.stderr), once(second, 'exit')]);
    assert.equal(status, 1, said);
    assert.match(
      said,
      /weir: The node name edge-1 is held by the machine machine-a \(127\.0\.0\.1:\d+, process \d+\).*\[EDGE_NAME_TAKEN\]/,
    );
    // the first one does not measure in this test: whatever is there would be the second one's
    assert.equal((await jsm.streams.info(TELEMETRY_STREAM)).state.messages, 0);
    const rows = await eventually(listed, ([row]) => (row?.reasons.length ?? 0) > 0);
    assert.equal(rows[0]?.alive?.machineId, 'machine-a');
    assert.match(
      String(rows[0]?.reasons[0]),
      /^Another machine \(machine-b, 127\.0\.0\.1:\d+\) asked for its name \d+ s ago and was refused\.$/,
    );
    await first.kill9();
    // its lease ends, and the name is free for another machine; what that one measures is sent then
    await eventually(holder, (machine) => machine === '', TAKEN_UP_MS);
    const next = startSecond();
    try {
      await eventually(holder, (machine) => machine === 'machine-b', TAKEN_UP_MS);
      await eventually(
        async () => (await jsm.streams.info(TELEMETRY_STREAM)).state.messages,
        (count) => count > 0,
        TAKEN_UP_MS,
      );
    } finally {
      next.kill('SIGTERM');
      if (next.exitCode === null) await once(next, 'exit');
      await connection.close();
    }
  });

  it('is taken up at once by the same machine when its former process is dead', async () => {
    const first = await startNodeProcess(overrides('machine-c'));
    await eventually(holder, (machine) => machine === 'machine-c');
    const before = (await listed())[0]?.alive as { pid?: number } | undefined;
    await first.kill9();
    const again = await startNodeProcess(overrides('machine-c'));
    const pidOf = async () => ((await listed())[0]?.alive as { pid?: number } | undefined)?.pid;
    await eventually(pidOf, (pid) => pid !== undefined && pid !== before?.pid, TAKEN_UP_MS);
    await again.close();
  });
});
