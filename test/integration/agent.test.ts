/**
 * `weir agent` from rendered files beside the real programs: keepalived on two directors, PowerDNS on a name server, each
 * machine a network namespace. Read back from the JetStream of a rendered NATS server. IPVS is read in test/ha's machine.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EVENT, VRRP_ATTRIBUTE } from '@weir/contracts/events';
import type { MetricName } from '@weir/contracts/metrics';
import { VRRP_STATES, type VrrpState } from '@weir/contracts/site-metrics';
import { parseTopology } from '@weir/contracts/topology/load';
import { renderFolder } from '@weir/infra/render/folder';
import { writeSecrets } from '@weir/infra/render/secrets';
import { writeFolder } from '@weir/infra/render/write';
import { fillSecrets } from '@weir/test/ha/ns/fill-secrets';
import { end, type Namespace, Namespaces } from '@weir/test/ha/ns/namespace';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { samplesOf, type TelemetryMessage, total } from '@weir/test/harness/telemetry';
import { waitFor } from '@weir/test/harness/wait';

const repository = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
const READER = fileURLToPath(new URL('../ha/ns/telemetry-reader.ts', import.meta.url));
const STUB = fileURLToPath(new URL('../ha/ns/stand-in-edge.ts', import.meta.url));
const VIP = '10.9.0.100';
const OTHER = '10.9.0.101';
const NATS = 'nats://10.9.0.41:4222';
const TOPOLOGY = `
cluster: agents
sites: { one: { network: 10.9.0.0/24 } }
groups:
  g1: { site: one, virtualAddress: ${VIP}, virtualRouterId: 51, directors: [d1, d2] }
  g2: { site: one, virtualAddress: ${OTHER}, virtualRouterId: 52, directors: [d3, d4] }
machines:
  d1: { site: one, address: 10.9.0.11 }
  d2: { site: one, address: 10.9.0.12 }
  d3: { site: one, address: 10.9.0.13 }
  d4: { site: one, address: 10.9.0.14 }
  e1: { site: one, address: 10.9.0.21, roles: [edge], group: g1 }
  e2: { site: one, address: 10.9.0.22, roles: [edge], group: g2 }
  o1: { site: one, address: 10.9.0.31, roles: [origin] }
  n1: { site: one, address: 10.9.0.41, roles: [nats, dns] }
hiding: { onLink: false }
telemetry: { intervalMs: 500 }
nats: { credentials: node }
dns: { zone: live.example.net, records: [{ name: rtmp, groups: [g1, g2] }, { name: first, groups: [g1], backup: [g2] }] }
software: { path: ${repository} }
`;

interface ReadMessage extends Omit<TelemetryMessage, 'records'> {
  records: { eventName: string; timeMs: number; attributes: Record<string, string> }[];
}

interface Told {
  resource: Record<string, unknown>;
  events: ReadMessage['records'];
  /** Samples with these attributes. */
  count(metric: MetricName, attributes: Record<string, string>): number;
  /** Value of the newest of them. */
  newest(metric: MetricName, attributes: Record<string, string>): number | undefined;
  total(metric: MetricName, attributes: Record<string, string>): number;
}

const G1 = { 'weir.vrrp.group': 'g1' };

const why = await whyWithout(['keepalived', 'pdns_server', 'nats-server', 'curl']);
describe('weir agent', { skip: why ?? false }, () => {
  const out = mkdtempSync(join(tmpdir(), 'weir-agent-'));
  chmodSync(out, 0o755);
  const secrets = join(out, 'secrets.env');
  const namespaces = new Namespaces();
  const machines = new Map<string, Namespace>();
  const running = new Map<string, ChildProcess>();
  const machine = (name: string) => machines.get(name) as Namespace;

  before(async () => {
    const { topology } = parseTopology(TOPOLOGY, 'of the test');
    writeFolder(out, renderFolder(topology));
    writeSecrets(topology, secrets);
    for (const name of ['d1', 'd2', 'n1']) {
      machines.set(name, namespaces.add(name, `${topology.machines[name]?.address}/24`));
      mkdirSync(join(out, name, 'lib-weir'));
      mkdirSync(join(out, name, 'lib-nats'));
      for (const file of ['agent.yaml', 'nats-server.conf'])
        fillSecrets(join(out, name, 'files/etc/weir', file), secrets);
    }
    start('n1', command('n1', 'weir-nats.service'), 'nats');
    machine('n1').must(`${process.execPath} ${READER} make ${NATS} ${secrets}`);
  });
  after(async () => {
    await namespaces.close();
    rmSync(out, { recursive: true, force: true });
  });

  function command(name: string, unit: string): string {
    const text = readFileSync(join(out, name, 'files/etc/systemd/system', unit), 'utf8');
    return /^ExecStart=(.+)$/m.exec(text)?.[1] ?? '';
  }

  function start(name: string, line: string, as: string): void {
    const etc = ['weir', name === 'n1' ? 'powerdns' : 'keepalived'];
    const mounts = [
      ...etc.map((folder) => `${out}/${name}/files/etc/${folder}:/etc/${folder}`),
      `${out}/${name}/lib-weir:/var/lib/weir`,
      `${out}/${name}/lib-nats:/var/lib/nats`,
    ];
    running.set(`${name} ${as}`, machine(name).start(line, { mounts, log: join(out, `${name}-${as}.log`) }));
  }
  const startAgent = (name: string) => start(name, command(name, 'weir-agent.service'), 'agent');
  const startKeepalived = (name: string) => start(name, 'keepalived --dont-fork --log-console --vrrp', 'keepalived');

  /** What a node told so far: its events, and samples of metrics by the beginning of their names. */
  function told(node: string, ...prefixes: string[]): Told {
    const line = [process.execPath, READER, 'read', NATS, secrets, node, ...prefixes].join(' ');
    const messages = JSON.parse(machine('n1').must(line)) as ReadMessage[];
    const samples = messages as unknown as TelemetryMessage[];
    return {
      resource: messages[0]?.resource ?? {},
      events: messages.flatMap((message) => message.records),
      count: (metric, attributes) => samplesOf(samples, metric, attributes).length,
      newest: (metric, attributes) => samplesOf(samples, metric, attributes).at(-1)?.value,
      total: (metric, attributes) => total(samples, metric, attributes),
    };
  }

  const state = (node: string) => {
    const { newest } = told(node, 'weir.vrrp.state');
    return VRRP_STATES.filter((one) => newest('weir.vrrp.state', { ...G1, 'weir.vrrp.state': one }) === 1).join();
  };
  const isState = (node: string, wanted: VrrpState) =>
    waitFor(`${node} to tell ${wanted}`, () => state(node) === wanted, { everyMs: 200 });
  const holder = () => ['d1', 'd2'].find((name) => machine(name).must('ip -br address').includes(`${VIP}/`));
  const partnerOf = (name: string) => (name === 'd1' ? 'd2' : 'd1');
  const isHeld = (node: string) => told(node, 'weir.vrrp.address').newest('weir.vrrp.address.held', G1);

  it('tells that no VRRP runs, then who is master and who its partner, and a change at once', async () => {
    startAgent('d1');
    startAgent('d2');
    await isState('d1', 'stopped');
    for (const name of ['d1', 'd2']) startKeepalived(name);
    const master = await waitFor('a master', holder);
    const partner = partnerOf(master);
    await isState(master, 'master');
    await isState(partner, 'backup');
    assert.deepEqual([isHeld(master), isHeld(partner)], [1, 0]);
    assert.equal(told(partner, 'weir.vrrp').newest('weir.vrrp.directors', G1), 2);

    const stoppedAtMs = Date.now();
    await end(running.get(`${master} keepalived`) as ChildProcess, 'SIGTERM');
    await isState(partner, 'master');
    await isState(master, 'stopped');
    const { events, total } = told(partner, 'weir.vrrp');
    const change = events.findLast((record) => record.eventName === EVENT.vrrp);
    assert.equal(change?.attributes[VRRP_ATTRIBUTE.state], 'master');
    assert.ok(change.timeMs - stoppedAtMs < 1_500, `${change.timeMs - stoppedAtMs} ms after`);
    assert.equal(total('weir.vrrp.changes', { 'weir.vrrp.state': 'master' }), 1);
  });

  it('believes the kernel when keepalived was killed and its address stayed: two hold it', async () => {
    const master = holder() ?? '';
    const partner = partnerOf(master);
    startKeepalived(partner);
    await isState(partner, 'backup');
    await end(running.get(`${master} keepalived`) as ChildProcess, 'SIGKILL');
    await isState(master, 'stopped');
    await isState(partner, 'master');
    assert.deepEqual([isHeld(master), isHeld(partner)], [1, 1]);
  });

  it('tells a card that lost its link, when the link is back', async () => {
    const live = ['d1', 'd2'].find((name) => state(name) === 'master') ?? '';
    machine(live).link('down');
    await waitFor('the address gone', () => !machine(live).must('ip -br address').includes(`${VIP}/`));
    machine(live).link('up');
    await waitFor('the fault in what was kept', () =>
      told(live).events.some((record) => record.attributes[VRRP_ATTRIBUTE.state] === 'fault'),
    );
  });

  it('has the inventory and the figures of the machine, under the role agent', () => {
    const { resource, count, total } = told('d1', 'system.');
    assert.equal(resource['weir.node.role'], 'agent');
    assert.equal(resource['host.name'], hostname());
    assert.equal(resource['weir.node.address.rtmp'], undefined);
    assert.match(String(resource['host.network.cards']), /eth0/);
    assert.ok(count('system.cpu.utilization', { 'cpu.mode': 'used' }) > 2);
    const sent = total('system.network.io', { 'network.interface.name': 'eth0', 'network.io.direction': 'transmit' });
    assert.ok(sent > 1_000, `${sent} bytes`);
  });

  it('tells what a name server answers, and which groups it finds dead, also when all are', async () => {
    const server = machine('n1');
    for (const address of [VIP, OTHER]) server.must(`ip address add ${address}/32 dev lo`);
    const group = (address: string) => server.start(`env HOST=${address} ${process.execPath} ${STUB} e1 1935 80 1936`);
    const groups = [group(VIP), group(OTHER)];
    const pdns = 'exec pdns_server --daemon=no --guardian=no --disable-syslog --write-pid=no';
    start('n1', `sh -c "mkdir -p /run/pdns && chown pdns /run/pdns && ${pdns}"`, 'pdns');
    startAgent('n1');
    const rtmp = { 'weir.dns.name': 'rtmp.live.example.net' };
    const first = { 'weir.dns.name': 'first.live.example.net' };
    /** Health of both groups as answers to one name, as answer and backup of the other; addresses answered to the first. */
    const health = () => {
      const { newest } = told('n1', 'weir.dns');
      const up = (name: object, address: string, set: string) =>
        newest('weir.dns.address.up', { ...name, 'weir.dns.address': address, 'weir.dns.set': set });
      const groupsUp = [up(rtmp, VIP, 'answers'), up(rtmp, OTHER, 'answers')];
      return [
        ...groupsUp,
        up(first, VIP, 'answers'),
        up(first, OTHER, 'backup'),
        newest('weir.dns.answers', rtmp),
      ].join();
    };
    const isHealth = (wanted: string) =>
      waitFor(`health ${wanted}`, () => health() === wanted, { everyMs: 200 }).catch((error: unknown) => {
        const log = readFileSync(join(out, 'n1-pdns.log'), 'utf8').slice(-800);
        throw new Error(`${health()}; ${log}`, { cause: error });
      });
    await isHealth('1,1,1,1,2');
    await end(groups[0] as ChildProcess, 'SIGKILL');
    await isHealth('0,1,0,1,1');
    await end(groups[1] as ChildProcess, 'SIGKILL');
    // PowerDNS answers with one of them all the same
    await isHealth('0,0,0,0,1');
    await end(running.get('n1 pdns') as ChildProcess, 'SIGKILL');
    await waitFor('questions without an answer', () => {
      const { total, newest } = told('n1', 'weir.dns.answer');
      return total('weir.dns.answer.failures', rtmp) > 0 && newest('weir.dns.answers', rtmp) === 0;
    });
  });
});
