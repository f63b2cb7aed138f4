/** An agent's name belongs to one machine at a time, as a node's does (M9), and a node goes before an agent of its name. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { RESOURCE } from '@weir/contracts/resource';
import { startNodeProcess } from '@weir/test/harness/edge-process';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { readTelemetry } from '@weir/test/harness/telemetry';
import { eventually } from '@weir/test/harness/wait';
import { CLI, weir } from './cli-process.ts';

describe('the name of an agent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-agent-name-'));
  const running: ChildProcess[] = [];
  let nats: TestNats;
  let connection: NatsConnection;
  before(async () => {
    nats = await startNats();
    connection = await connect({ servers: nats.url });
    await ensureTelemetryStreams(await jetstreamManager(connection), loadConfig());
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await connection?.close();
    await nats?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The real program. */
  const startAgent = (name: string, machine: string) => {
    const dir = join(folder, machine);
    const flags = { 'node-name': name, 'machine-id': machine, 'machine-state-dir': dir, 'nats-servers': nats.url };
    const all = { ...flags, 'node-data-dir': join(dir, name), 'telemetry-interval-ms': '200' };
    const args = Object.entries(all).flatMap(([flag, value]) => [`--${flag}`, value]);
    const child = spawn(process.execPath, [CLI, 'agent', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    running.push(child);
    return child;
  };
  const listed = async (name: string) => {
    const { stdout } = await weir(['nodes', '--json', '--nats-servers', nats.url], { cwd: folder });
    const rows = JSON.parse(stdout) as { node: string; role: string; alive: object | null; reasons: string[] }[];
    return rows.find(({ node }) => node === name);
  };
  /** Machines whose figures stand in JetStream under `name`. */
  const machinesOf = async (name: string) => {
    const messages = (await readTelemetry(connection)).filter(({ node }) => node === name);
    return [...new Set(messages.map(({ resource }) => resource[RESOURCE.machineId]))].join();
  };
  const refusal = async (child: ChildProcess) => {
    const [said, [status]] = await Promise.all([text(child.stderr as NodeJS.ReadableStream), once(child, 'exit')]);
    assert.equal(status, 1, said);
    return said;
  };

  it('is held by the first machine; the second is refused, shown, and stores nothing; later it may have it', async () => {
    const first = startAgent('probe', 'machine-a');
    await eventually(
      () => machinesOf('probe'),
      (machines) => machines === 'machine-a',
      60_000,
    );
    const said = await refusal(startAgent('probe', 'machine-b'));
    assert.match(
      said,
      /weir: The name probe is held by the agent on the machine machine-a, process \d+: .*\[AGENT_NAME_TAKEN\]/,
    );
    assert.equal(await machinesOf('probe'), 'machine-a');
    const row = await listed('probe');
    assert.equal(row?.role, 'agent');
    assert.match(
      String(row?.reasons),
      /^Another machine \(machine-b, .+\) asked for its name \d+ s ago and was refused\.$/,
    );

    first.kill('SIGTERM');
    await once(first, 'exit');
    startAgent('probe', 'machine-b');
    await eventually(
      () => machinesOf('probe'),
      (machines) => machines === 'machine-a,machine-b',
      60_000,
    );
  });

  it('is a node’s before it is an agent’s, which falls silent when the node comes', async () => {
    const agent = startAgent('edge-1', 'machine-c');
    await eventually(
      () => machinesOf('edge-1'),
      (machines) => machines === 'machine-c',
      60_000,
    );
    const node = await startNodeProcess({
      machine: { id: 'machine-d', stateDir: join(folder, 'machine-d') },
      node: { name: 'edge-1', dataDir: join(folder, 'machine-d', 'node') },
      nats: { servers: [nats.url] },
    });
    try {
      const row = await eventually(
        () => listed('edge-1'),
        (found) => found?.role === 'edge' && found.reasons.length > 0,
        60_000,
      );
      assert.match(String(row?.reasons), /^Another machine \(machine-c, .+\) asked for its name/);
      agent.kill('SIGTERM');
      await once(agent, 'exit');
      const said = await refusal(startAgent('edge-1', 'machine-c'));
      assert.match(
        said,
        /The name edge-1 is held by the edge on the machine machine-d, process \d+.*\[AGENT_NAME_TAKEN\]/,
      );
    } finally {
      await node.close();
    }
  });
});
