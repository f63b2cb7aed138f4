/** The product's main promise, on the real parts: a stream crosses the cluster, and everything about it arrives in SQL. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { METRICS } from '@weir/contracts/metrics';
import { ROLLUPS } from '@weir/contracts/tables';
import { type ProbedPacket, type Publishing, probe, publishFile } from '../harness/ffmpeg.ts';
import { startSystem, type TestSystem } from '../harness/system.ts';
import { waitFor } from '../harness/wait.ts';

const CLIP = fileURLToPath(new URL('../../services/cli/assets/demo.flv', import.meta.url));
const NODES = ['edge-1', 'edge-2', 'origin-1', 'origin-2'];

describe('weir up --demo', { timeout: 240_000 }, () => {
  let system: TestSystem;
  let publisher: Publishing;

  before(async () => {
    system = await startSystem(['--demo']);
    publisher = publishFile(CLIP, `${system.node('edge-1').rtmp}/live/e2e`);
  });

  after(async () => {
    await publisher?.stop();
    await system?.close();
  });

  it('plays on edge 2 what ffmpeg publishes on edge 1: same codecs, resolution and frame timing', async () => {
    const source = await probe(CLIP, 3);
    const viewed = await probe(`${system.node('edge-2').rtmp}/live/e2e`, 3);
    const shape = (probed: typeof source) =>
      probed.streams
        .map(({ codec_type, codec_name, width, height, sample_rate, channels }) => ({
          codec_type,
          codec_name,
          width,
          height,
          sample_rate,
          channels,
        }))
        .sort((a, b) => a.codec_type.localeCompare(b.codec_type));
    assert.deepEqual(shape(viewed), shape(source));
    assert.deepEqual(frameSteps(viewed.packets), frameSteps(source.packets));
    const sizes = new Set(source.packets.filter(isVideo).map((packet) => packet.size));
    const known = viewed.packets.filter(isVideo).filter((packet) => sizes.has(packet.size)).length;
    assert.ok(known > 50, `only ${known} video packets of the clip were recognised by their size`);
  });

  it('plays the same by HTTP-FLV, and to who comes late', async () => {
    for (const url of [`${system.node('edge-2').http}/live/e2e.flv`, `${system.node('edge-2').rtmp}/live/demo`]) {
      const viewed = await probe(url, 2);
      assert.deepEqual(viewed.streams.map((stream) => stream.codec_name).sort(), ['aac', 'h264'], url);
    }
  });

  it('shows each node and the machine with its inventory', async () => {
    const nodes = await waitFor('all nodes in SQL', async () => {
      const found = await system.rows<{ node: string; role: string; machine_id: string }>(
        'SELECT node, role, machine_id FROM nodes ORDER BY node',
      );
      return found.length === NODES.length && found;
    });
    assert.deepEqual(
      nodes.map(({ node, role }) => `${role} ${node}`),
      NODES.map((node) => `${node.slice(0, -2)} ${node}`),
    );
    const machines = await system.rows<{
      machine_id: string;
      host_name: string;
      arch: string;
      kernel: string;
      os: string;
      cpu_models: string[];
      cpu_count: number;
      memory_bytes: string;
      network_cards: unknown[];
    }>('SELECT * FROM machines');
    assert.equal(machines.length, 1);
    const [machine] = machines;
    assert.ok(machine);
    assert.ok(nodes.every((node) => node.machine_id === machine.machine_id));
    for (const text of [machine.host_name, machine.arch, machine.kernel, machine.os]) assert.notEqual(text, '');
    assert.ok(machine.cpu_models.length > 0 && machine.cpu_count > 0 && Number(machine.memory_bytes) > 2 ** 28);
    assert.ok(machine.network_cards.length > 0);
  });

  it('gives every node CPU, memory, traffic and connections under its own name only', async () => {
    const load = await waitFor('a full line of every node', async () => {
      const rows = await system.rows<Record<string, number | string | null>>(
        'SELECT node, max(cpu) AS cpu, max(memory) AS memory, max(network_in_bits) AS net_in, max(process_cpu) AS process_cpu, ' +
          'max(process_memory) AS process_memory, max(publishers) AS publishers, max(viewers) AS viewers ' +
          'FROM node_load GROUP BY node ORDER BY node',
      );
      const isFull = rows.length === NODES.length && rows.every((row) => row.cpu !== null && row.memory !== null);
      return isFull && Number(rows[0]?.publishers) === 2 && Number(rows[1]?.viewers) >= 3 && rows;
    });
    assert.deepEqual(
      load.map((row) => row.node),
      NODES,
    );
    for (const row of load) {
      assert.ok(Number(row.cpu) >= 0 && Number(row.cpu) <= 1, `cpu of ${row.node} is ${row.cpu}`);
      assert.ok(Number(row.memory) > 0 && Number(row.memory) < 1, `memory of ${row.node} is ${row.memory}`);
      assert.ok(Number(row.process_memory) > 2 ** 24, `process memory of ${row.node} is ${row.process_memory}`);
      assert.ok(Number(row.net_in) >= 0);
    }
    const by = Object.fromEntries(load.map((row) => [row.node, row]));
    assert.equal(Number(by['edge-1']?.publishers), 2);
    assert.ok(Number(by['edge-2']?.viewers) >= 3);
    assert.equal(Number(by['origin-1']?.viewers) + Number(by['origin-2']?.viewers), 0, 'relays are not viewers');
    // Ingest tells of itself through the same pipeline.
    const strangers = await system.rows(
      'SELECT DISTINCT node, metric FROM metric_samples WHERE node NOT IN (' +
        `${NODES.map((node) => `'${node}'`).join()}) AND node != '' AND NOT (node LIKE 'ingest-%' AND metric LIKE 'weir.ingest.%')`,
    );
    assert.deepEqual(strangers, []);
    const misplaced = await system.rows(
      `SELECT DISTINCT metric, node FROM metric_samples WHERE (node = '') != (metric LIKE 'system.%')`,
    );
    assert.deepEqual(misplaced, []);
    const metrics = await system.rows<{ metric: string }>('SELECT DISTINCT metric FROM metric_samples');
    for (const { metric } of metrics) assert.ok(metric in METRICS, `${metric} is not in the catalogue`);
  });

  it('counts the one machine once for the whole cluster', async () => {
    const [row] = await waitFor('a line of the cluster', async () => {
      const rows = await system.rows<{ machines: string; nodes: string; twice: string; net: number; once: number }>(
        `SELECT c.machines AS machines, c.nodes AS nodes, c.network_in_bits AS net, m.network_in_bits AS once
         FROM cluster_load AS c INNER JOIN machine_load AS m ON m.time = c.time
         WHERE c.nodes = 4 AND c.machines = 1 ORDER BY c.time DESC LIMIT 1`,
      );
      return rows.length === 1 && rows;
    });
    assert.equal(row?.net, row?.once);
  });

  it('keeps one row for the publisher and for each viewer, with bytes and duration', async () => {
    await publisher.stop();
    const rows = await waitFor('the closed connections of live/e2e', async () => {
      const found = await system.rows<Record<string, string | number>>(
        `SELECT node, role, protocol, bytes_in, bytes_queued, bytes_delivered, duration_seconds, reason
         FROM connections WHERE app = 'live' AND stream = 'e2e' AND NOT is_open ORDER BY opened_at`,
      );
      const has = (role: string, protocol: string) =>
        found.some((row) => row.role === role && row.protocol === protocol);
      return has('publisher', 'rtmp') && has('viewer', 'rtmp') && has('viewer', 'http-flv') && found;
    });
    const publishers = rows.filter((row) => row.role === 'publisher');
    assert.equal(publishers.length, 1);
    assert.equal(publishers[0]?.node, 'edge-1');
    assert.ok(Number(publishers[0]?.bytes_in) > 100_000);
    assert.ok(Number(publishers[0]?.duration_seconds) > 3);
    const viewers = rows.filter((row) => row.role === 'viewer');
    assert.equal(viewers.length, 2, JSON.stringify(viewers));
    for (const viewer of viewers) {
      assert.equal(viewer.node, 'edge-2');
      assert.ok(
        Number(viewer.bytes_queued) > 50_000 && Number(viewer.bytes_delivered) > 50_000,
        JSON.stringify(viewer),
      );
      assert.ok(Number(viewer.bytes_delivered) <= Number(viewer.bytes_queued));
      assert.ok(Number(viewer.duration_seconds) > 0);
    }
    const ids = await system.rows('SELECT connection_id FROM connections GROUP BY connection_id HAVING count() > 1');
    assert.deepEqual(ids, []);
  });

  it('holds the same count and sum of every series at each level', async () => {
    const levels = ROLLUPS.map(
      ({ table }) => `SELECT series_id, sum(count) AS n, sum(sum) AS s FROM ${table} GROUP BY series_id`,
    );
    for (const [index, level] of levels.entries()) {
      const differing = await waitFor(`equal sums in ${ROLLUPS[index]?.table}`, async () => {
        const rows = await system.rows<{ series: string; differing: string }>(
          `SELECT count() AS series, countIf(raw.n != level.n OR abs(raw.s - level.s) > 1e-9 * greatest(1, abs(raw.s))) AS differing
           FROM (SELECT series_id, count() AS n, sum(value) AS s FROM metric_samples GROUP BY series_id) AS raw
           FULL JOIN (${level}) AS level USING (series_id)`,
        );
        return Number(rows[0]?.series) > 0 && Number(rows[0]?.differing) === 0 && rows[0];
      });
      assert.equal(Number(differing.differing), 0);
    }
  });

  it('stops within seconds with status 0 and leaves no process behind', async () => {
    const pids = Object.values(system.pids());
    assert.ok(pids.length >= 7, `only ${pids.length} processes`);
    const status = await system.stop();
    assert.equal(status, 0);
    const left = pids.filter((pid) => existsSync(`/proc/${pid}`));
    assert.deepEqual(left, []);
  });
});

function isVideo(packet: ProbedPacket): boolean {
  return packet.codec_type === 'video';
}

/** The distinct steps between video frames in decode order, ms. */
function frameSteps(packets: ProbedPacket[]): number[] {
  const times = packets.filter(isVideo).map((packet) => Math.round(Number(packet.dts_time) * 1000));
  const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  return [...new Set(steps)].sort((a, b) => a - b);
}
