// Real edges and origins from rendered files behind their rendered firewalls, in namespaces: a publisher on one edge, viewers
// on the other, both through the virtual address. There is no director here (that is part-lvs.ts): the clients' cards carry
// the directors' hardware addresses, so their frames look like those that directors pass on.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { waitFor } from '@weir/test/harness/wait';
import { CLIP, Cluster, VIP } from './ns/cluster.ts';
import type { Namespace } from './ns/namespace.ts';
import { printTable, type Row } from './table.ts';

const NODES = ['o1', 'o2', 'e1', 'e2'];
const URL_THROUGH_VIP = `rtmp://${VIP}/live/ha`;

const why = (await whyWithout(['nft', 'nats-server', 'curl', 'busybox'])) ?? withoutFfmpeg();
function withoutFfmpeg(): string | undefined {
  if (spawnSync('ffmpeg', ['-version']).status === 0) return undefined;
  process.stderr.write('\n*** SKIPPED: real edges: there is no ffmpeg ***\n\n');
  return 'there is no ffmpeg';
}

describe('real edges behind their rendered firewalls', { skip: why ?? false }, () => {
  const rows: Row[] = [];
  let cluster: Cluster;
  let publisher: Namespace;
  let viewer: Namespace;

  before(async () => {
    cluster = new Cluster(['n1', ...NODES]);
    for (const name of ['n1', ...NODES]) cluster.start(name);
    publisher = client('pub', '10.9.0.1', 'd1', 'e1');
    viewer = client('view', '10.9.0.2', 'd2', 'e2');
    for (const name of NODES) await cluster.ready(name);
  });
  after(async () => {
    await cluster?.close();
    printTable('real edges from rendered files', rows);
  });

  /** A client whose frames for the virtual address go to one edge's card, as a director would have sent them. */
  function client(name: string, address: string, director: string, edge: string): Namespace {
    const namespace = cluster.namespaces.add(name, `${address}/24`);
    const card = cluster.machine(edge).must('cat /sys/class/net/eth0/address');
    const mac = cluster.topology.machines[director]?.mac ?? '';
    namespace.must(`ip link set eth0 address ${mac}; ip neigh replace ${VIP} lladdr ${card} dev eth0 nud permanent`);
    return namespace;
  }

  /** Frames that ffmpeg decodes of the stream within some seconds of media. */
  function watch(from: Namespace, seconds: number): number {
    const line = `timeout 20 ffmpeg -v error -rw_timeout 8000000 -i ${URL_THROUGH_VIP} -t ${seconds} -map 0:v -f framemd5 - 2>&1 || true`;
    return from
      .must(line)
      .split('\n')
      .filter((text) => /^0,/.test(text)).length;
  }

  it('a stream pushed through the virtual address to one edge plays through it from another', async () => {
    publisher.start(`ffmpeg -v error -re -stream_loop -1 -i ${CLIP} -c copy -f flv ${URL_THROUGH_VIP}`, {
      log: cluster.logPath('ffmpeg'),
    });
    const frames = await waitFor('frames at the viewer', () => watch(viewer, 2) || undefined, { timeoutMs: 60_000 });
    rows.push({
      check: 'published on e1, played from e2 through origins',
      passed: frames >= 30,
      measured: `${frames} frames of 2 s`,
    });
    assert.ok(frames >= 30, `${frames} frames; ${readFileSync(cluster.logPath('e2'), 'utf8').slice(-800)}`);
  });

  it('the player’s port answers on the virtual address, the edges’ own ports answer nobody', () => {
    assert.match(viewer.must(`curl -fsS --max-time 3 http://${VIP}/healthz`), /ok/);
    const tries = [
      ['10.9.0.21', 1935],
      ['10.9.0.21', 19350],
      ['10.9.0.21', 8080],
      ['10.9.0.21', 1936],
      [VIP, 19350],
      [VIP, 8080],
      [VIP, 1936],
      ['10.9.0.31', 1935],
      ['10.9.0.31', 1938],
      ['10.9.0.31', 8081],
    ] as const;
    const isOpen = (host: string, port: number) =>
      viewer
        .must(`timeout 1 bash -c 'exec 3<>/dev/tcp/${host}/${port}' 2>/dev/null && echo open || true`)
        .includes('open');
    assert.ok(isOpen(VIP, 1935) && isOpen(VIP, 80), 'the public ports are open to the same question');
    const open = tries.filter(([host, port]) => isOpen(host, port));
    rows.push({
      check: `direct ways open, of ${tries.length}`,
      passed: open.length === 0,
      measured: String(open.length),
      target: '0',
    });
    assert.deepEqual(open, []);
  });

  it('a director learns the weight of a real edge that is idle', async () => {
    const director = cluster.namespaces.add('d1', '10.9.0.11/24');
    const weights = join(cluster.out, 'weights');
    const ask = cluster.rendered('d1', 'usr/local/lib/weir/ask-weights');
    director.start(`${ask} ${weights} 1 8080 10.9.0.21=3`, { log: cluster.logPath('weights') });
    const status = await waitFor('a weight', () => readFileSync(join(weights, '10.9.0.21'), 'utf8').trim());
    // three times ten steps, and two; a busy machine takes steps away
    assert.ok(Number(status) > 2 && Number(status) <= 32, status);
    assert.match(director.must('curl -fsS --max-time 3 http://10.9.0.21:8080/weight'), /"weight":\d+/);
    rows.push({
      check: 'a director asks a real edge for its weight',
      passed: true,
      measured: `${Number(status) - 2} of 30`,
    });
  });

  it('goes on when an origin dies, and when NATS does', async () => {
    await cluster.kill('o1');
    const first = await waitFor('frames without o1', () => watch(viewer, 2) || undefined, { timeoutMs: 60_000 });
    await cluster.kill('n1');
    const second = await waitFor('frames without NATS', () => watch(viewer, 2) || undefined, { timeoutMs: 60_000 });
    rows.push({
      check: 'played on without one origin, then without NATS',
      passed: first >= 30 && second >= 30,
      measured: `${first}, ${second} frames of 2 s`,
    });
    assert.ok(first >= 30 && second >= 30, `${first}, ${second}`);
  });
});
