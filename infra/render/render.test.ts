// Rendering as a function: golden files, stable bytes, configuration that loads, no secrets, options, and what a change does.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { loadTopology, parseTopology } from '@weir/contracts/topology/load';
import type { Topology } from '@weir/contracts/topology/schema';
import { parse } from 'yaml';
import { diffFolders } from './diff.ts';
import { renderFolder } from './folder.ts';
import { renderTopology } from './render.ts';
import { writeSecrets } from './secrets.ts';
import { readFolder, writeFolder } from './write.ts';

const examplePath = new URL('../topology.example.yaml', import.meta.url).pathname;
const goldenFolder = new URL('./golden/', import.meta.url).pathname;
const example = readFileSync(examplePath, 'utf8');
const topology = (change: (text: string) => string = (text) => text): Topology =>
  parseTopology(change(example), 'example').topology;
const folderOf = (path: string, files = renderFolder(topology())) =>
  files.find((file) => file.path === path)?.content ?? '';

/** One machine of each kind; the others differ in names and addresses. */
const KINDS = ['fra-d1', 'fra-e1', 'fra-o1', 'fra-s1', 'fra-c1', 'ams-s1'];

describe('rendering the example topology', () => {
  for (const machine of [...KINDS, 'ansible']) {
    it(`gives the golden files of ${machine} (UPDATE_GOLDEN=1 writes them anew)`, () => {
      const skip = /\/(install\.sh|cloud-init\.yaml)$/;
      const golden = renderFolder(topology())
        .filter((file) => file.path.startsWith(`${machine}/`) && !skip.test(file.path))
        .map((file) => `===== ${file.path}${file.executable ? ' (executable)' : ''}\n${file.content}`)
        .join('\n');
      const path = join(goldenFolder, `${machine}.txt`);
      if (process.env.UPDATE_GOLDEN === '1') {
        mkdirSync(goldenFolder, { recursive: true });
        writeFileSync(path, golden);
      }
      assert.equal(golden, readFileSync(path, 'utf8'));
    });
  }

  it('gives the same bytes whatever the order in the file', () => {
    const { topology: one } = loadTopology(examplePath);
    const turned = {
      ...one,
      machines: Object.fromEntries(Object.entries(one.machines).reverse()),
      groups: Object.fromEntries(Object.entries(one.groups).reverse()),
    };
    assert.deepEqual(renderFolder(turned), renderFolder(one));
  });

  it('renders configuration that every node loads', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-infra-'));
    try {
      let count = 0;
      for (const machine of renderTopology(topology())) {
        for (const file of machine.files.filter(({ path }) =>
          /^\/etc\/weir\/(edge|origin|ingest|agent)\.yaml$/.test(path),
        )) {
          const path = join(folder, 'node.yaml');
          writeFileSync(path, file.content);
          const config = loadConfig({ file: path });
          assert.equal(config.cluster, 'weir');
          count += 1;
        }
      }
      assert.equal(count, 20);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('holds no secret, only references that the machine’s manifest declares', () => {
    for (const machine of renderTopology(topology())) {
      const declared = new Set(machine.secrets.map((secret) => secret.name));
      for (const file of machine.files) {
        const used = [...file.content.matchAll(/@secret:([A-Z0-9_]+)@/g)].map((match) => match[1] ?? '');
        assert.deepEqual(
          used.filter((name) => !declared.has(name)),
          [],
          `${machine.name} ${file.path}`,
        );
        if (used.length > 0) assert.equal(file.mode, '0640', `${machine.name} ${file.path} holds secrets`);
      }
    }
  });

  it('starts no unit that it neither renders nor installs', () => {
    const packaged = new Set(
      ['keepalived', 'pdns', 'clickhouse-server', 'grafana-server'].map((name) => `${name}.service`),
    );
    for (const machine of renderTopology(topology())) {
      const own = new Set(machine.files.map((file) => file.path.replace('/etc/systemd/system/', '')));
      assert.deepEqual(
        machine.units.filter((unit) => !own.has(unit) && !packaged.has(unit)),
        [],
        machine.name,
      );
    }
  });
});

describe('a change of the topology', () => {
  const changed = (change: (text: string) => string) =>
    diffFolders(renderFolder(topology()), renderFolder(topology(change)));

  it('touches no machine when nothing changed', () => {
    assert.deepEqual(
      changed((text) => `${text}\n# a comment\n`),
      [],
    );
  });

  it('adds an edge at a reserved address without touching any other machine', () => {
    const entry = '  fra-e4: { site: fra, address: 10.20.0.24, roles: [edge], group: fra-1 }\n';
    const changes = changed((text) => text.replace('  # Origins:', `${entry}  # Origins:`));
    assert.deepEqual(
      changes.map((change) => change.machine),
      ['fra-e4'],
    );
    assert.equal(changes[0]?.kind, 'added');
  });

  it('says on which machines what happens when a weight changes', () => {
    const changes = changed((text) => text.replace('weight: 2, cards', 'weight: 4, cards'));
    assert.deepEqual(
      changes.map((change) => change.machine),
      ['fra-d1', 'fra-d2'],
    );
    assert.match(changes[0]?.effects.join() ?? '', /open connections stay/);
    assert.match(changes[0]?.files[0]?.patch ?? '', /-\s+weight 20\n\+\s+weight 40/);
    assert.equal(changes[0]?.files[0]?.reaction, 'reload keepalived.service');
  });

  it('says that viewers reconnect when an edge has to restart', () => {
    const changes = changed((text) => `${text}\ntelemetry: { intervalMs: 1000 }\n`);
    const edge = changes.find((change) => change.machine === 'fra-e1');
    assert.match(edge?.effects.join() ?? '', /drain it first/);
  });

  it('names machines that come and go, and packages and units that do', () => {
    const changes = changed((text) =>
      text.replace(/ {2}ams-o1:.*\n/, '').replace('roles: [nats] }', 'roles: [nats, origin] }'),
    );
    assert.equal(changes.find((change) => change.machine === 'ams-o1')?.kind, 'removed');
    assert.ok(changes.find((change) => change.machine === 'fra-s3')?.manifest.includes('+ unit weir-origin.service'));
  });
});

describe('agents', () => {
  const rendered = renderTopology(topology());
  const hasAgent = (name: string) =>
    rendered.find((machine) => machine.name === name)?.units.includes('weir-agent.service');

  it('measure every machine that no media node measures', () => {
    assert.deepEqual(
      rendered.filter((machine) => !hasAgent(machine.name)).map((machine) => machine.name),
      ['ams-e1', 'ams-e2', 'ams-o1', 'fra-e1', 'fra-e2', 'fra-e3', 'fra-o1'],
    );
  });

  it('have a node’s name of their own where a media node and a name server share a machine', () => {
    const both = topology((text) => text.replace('roles: [origin] }', 'roles: [origin, dns] }'));
    const machine = renderTopology(both).find(({ roles }) => roles.includes('origin') && roles.includes('dns'));
    const config = machine?.files.find((one) => one.path === '/etc/weir/agent.yaml')?.content ?? '';
    assert.match(config, new RegExp(`name: ${machine?.name}-agent`));
    assert.match(config, /dnsServer: 10\.\d+\.0\.31:53/);
  });

  it('of a director know its group, not its edges, so that an edge can join without them', () => {
    const director = rendered.find((machine) => machine.name === 'ams-d2');
    const config = parse(
      director?.files.find((one) => one.path === '/etc/weir/agent.yaml')?.content ?? '',
    ) as PartialConfig;
    assert.deepEqual(config.agent, { groups: ['ams-1 address=10.30.0.100 card=eth0 directors=2'], ipvs: true });
  });

  it('may tell their own figures in NATS and hold their own name, and nothing else', () => {
    const conf = rendered
      .find((machine) => machine.name === 'fra-s2')
      ?.files.find((one) => one.path === '/etc/weir/nats-server.conf')?.content;
    const rights = /user: "agent"\n[\s\S]*?permissions \{([\s\S]*?)\n {8}\}/.exec(conf ?? '')?.[1] ?? '';
    assert.match(rights, /"weir\.telemetry\.\*\.\*\.\*"/);
    const written = [...rights.matchAll(/^ *"(\$KV\..*|weir\..*)"$/gm)].map((match) => match[1]);
    assert.deepEqual([...new Set(written)], ['weir.telemetry.*.*.*', '$KV.weir_agents.*', 'weir.cluster.rival.*']);
  });
});

describe('options of the topology', () => {
  const file = (text: string, path: string) => folderOf(path, renderFolder(topology((base) => `${base}\n${text}\n`)));

  it('hides ports on directors when told so', () => {
    const director = file('hiding: { method: director }', 'fra-d1/files/etc/weir/firewall.nft');
    assert.match(director, /tcp dport 1935 tcp dport set 19350 notrack/);
    assert.match(
      file('hiding: { method: director }', 'fra-d1/files/etc/keepalived/keepalived.conf'),
      /virtual_server 10\.20\.0\.100 19350/,
    );
    assert.match(
      file('hiding: { method: director }', 'fra-e1/files/etc/weir/firewall.nft'),
      /tcp sport set 1935 notrack/,
    );
  });

  it('balances RTMPS and HTTPS like RTMP and HTTP when edges have a certificate', () => {
    const tls = 'clientTls: { enabled: true }';
    const director = file(tls, 'fra-d1/files/etc/keepalived/keepalived.conf');
    const ports = [...director.matchAll(/^virtual_server 10\.20\.0\.100 (\d+)/gm)].map((match) => match[1]);
    assert.deepEqual(ports, ['1935', '80', '1937', '443']);
    const edge = file(tls, 'fra-e1/files/etc/weir/firewall.nft');
    assert.match(edge, /tcp dport 1937 dnat ip to 10\.20\.0\.100:19370/);
    assert.match(edge, /tcp dport 443 dnat ip to 10\.20\.0\.100:8443/);
    assert.match(edge, /tcp dport \{ 19350, 8080, 19370, 8443 \} ct status dnat accept/);
    const config = parse(file(tls, 'fra-e1/files/etc/weir/edge.yaml')) as PartialConfig;
    assert.equal(config.rtmp?.tlsPort, 19_370);
    assert.equal(config.http?.tlsPort, 8443);
    assert.equal(config.tls?.certFile, '/etc/weir/tls/client-cert.pem');
    assert.doesNotMatch(file('', 'fra-e1/files/etc/weir/edge.yaml'), /^tls:|tlsPort/m);
  });

  it('spreads ClickHouse over shards, which migrations, ingest and Grafana see as one database', () => {
    const sharded = topology((text) => text.replace(/(fra-c3: .*?roles: \[clickhouse\]) \}/, '$1, shard: 2 }'));
    const files = renderFolder(sharded);
    const server = parse(folderOf('fra-c3/files/etc/clickhouse-server/config.d/weir.yaml', files)) as {
      macros: object;
      remote_servers: { weir: { shard: { replica: { host: string }[] }[] } };
    };
    assert.deepEqual(server.macros, { cluster: 'weir', shard: '2', replica: 'fra-c3' });
    assert.deepEqual(
      server.remote_servers.weir.shard.map(({ replica }) => replica.map(({ host }) => host)),
      [['10.20.0.51', '10.20.0.52'], ['10.20.0.53']],
    );
    const users = folderOf('fra-c3/files/etc/clickhouse-server/users.d/weir.yaml', files);
    assert.match(users, /insert_quorum: auto/);
    assert.match(users, /distributed_product_mode: global/);
    assert.match(users, /GRANT SELECT ON weir_all\.\*/);
    assert.match(folderOf('fra-s1/files/etc/weir/ingest.yaml', files), /database: weir_all/);
    assert.match(
      folderOf('fra-s1/files/etc/systemd/system/weir-ingest.service', files),
      /ExecStartPre=.* migrate .*--clickhouse-database weir --clickhouse-distributed weir_all\n/,
    );
    assert.match(folderOf('fra-c1/files/etc/weir/grafana.env', files), /WEIR_CLICKHOUSE_DATABASE=weir_all\n/);
    assert.doesNotMatch(
      renderFolder(topology())
        .map((one) => one.content)
        .join(''),
      /weir_all/,
    );
  });

  it('gives one ClickHouse server alone Keeper, so that its tables are replicated too, but no quorum and no partners', () => {
    const alone = renderFolder(topology((text) => text.replaceAll(/ {2}fra-c[23]: .*\n/g, '')));
    const server = folderOf('fra-c1/files/etc/clickhouse-server/config.d/weir.yaml', alone);
    const config = parse(server) as {
      macros: object;
      zookeeper: { node: object[] };
      keeper_server: { server_id: number; raft_configuration: { server: object[] } };
    };
    assert.deepEqual(config.macros, { cluster: 'weir', shard: '1', replica: 'fra-c1' });
    assert.deepEqual(config.zookeeper.node, [{ host: '10.20.0.51', port: 9181 }]);
    assert.equal(config.keeper_server.raft_configuration.server.length, 1);
    assert.match(folderOf('fra-s1/files/etc/weir/ingest.yaml', alone), /^ {2}cluster: weir$/m);
    const users = folderOf('fra-c1/files/etc/clickhouse-server/users.d/weir.yaml', alone);
    assert.match(users, /async_insert: 0/);
    assert.doesNotMatch(users, /insert_quorum/);
    assert.doesNotMatch(server, /PASSWORD_CLUSTER/);
    assert.doesNotMatch(folderOf('fra-c1/files/etc/weir/firewall.nft', alone), /9181|9234/);
  });

  it('runs both of the kernel’s sync daemons all the time, and does not leave them to keepalived', () => {
    const unit = file('', 'fra-d1/files/etc/systemd/system/weir-sync.service');
    for (const kind of ['master', 'backup']) {
      assert.match(unit, new RegExp(`ExecStart=\\S+ --start-daemon ${kind} --mcast-interface eth0 --syncid 51\\n`));
    }
    assert.match(unit, /^Before=keepalived\.service$/m);
    assert.doesNotMatch(file('', 'fra-d1/files/etc/keepalived/keepalived.conf'), /lvs_sync_daemon/);
  });

  it('names one ClickHouse server of the site, or a name behind which all are', () => {
    const named = 'clickhouse: { host: clickhouse.example.net }';
    assert.match(file('', 'fra-s1/files/etc/weir/ingest.yaml'), /url: http:\/\/10\.20\.0\.51:8123/);
    assert.match(file(named, 'fra-s1/files/etc/weir/ingest.yaml'), /url: http:\/\/clickhouse\.example\.net:8123/);
    assert.match(file(named, 'fra-c1/files/etc/weir/grafana.env'), /WEIR_CLICKHOUSE_HOST=clickhouse\.example\.net\n/);
  });

  it('sends viewers’ measurements through a proxy, or straight to ingest when that is open, or nowhere', () => {
    const of = (faro: string, path: string) =>
      folderOf(path, renderFolder(topology((base) => base.replace(/^faro: .*$/m, faro))));
    const open = 'faro: { url: http://198.51.100.7:4318/faro/collect, open: true }';
    assert.match(file('', 'fra-e1/files/etc/weir/edge.yaml'), /faroUrl: https:.*\n {2}faroKey: "@secret:FARO_KEY@"/);
    assert.match(file('', 'fra-s1/files/etc/weir/ingest.yaml'), /- player=@secret:FARO_KEY@\n {2}trustProxy: true/);
    assert.match(file('', 'fra-s1/files/etc/weir/firewall.nft'), /ip saddr \{.*\} tcp dport 4318 accept/);
    assert.doesNotMatch(of(open, 'fra-s1/files/etc/weir/ingest.yaml'), /trustProxy/);
    assert.match(of(open, 'fra-s1/files/etc/weir/firewall.nft'), /^ *tcp dport 4318 accept/m);
    assert.doesNotMatch(of('', 'fra-e1/files/etc/weir/edge.yaml'), /faro/);
    assert.doesNotMatch(of('', 'fra-e1/manifest'), /FARO_KEY/);
  });

  it('adverts to partners’ addresses when told so', () => {
    const conf = file('vrrp: { unicast: true }', 'fra-d1/files/etc/keepalived/keepalived.conf');
    assert.match(conf, /unicast_src_ip 10\.20\.0\.11\n {2}unicast_peer \{\n {4}10\.20\.0\.12\n {2}\}/);
  });

  it('gives each node its own rights in NATS when told so', () => {
    const conf = file('nats: { credentials: node }', 'fra-s1/files/etc/weir/nats-server.conf');
    assert.match(conf, /"weir\.telemetry\.\*\.\*\.fra-e1"/);
    assert.doesNotMatch(conf, /"weir\.telemetry\.\*\.\*\.\*"/);
    assert.match(file('nats: { credentials: node }', 'fra-e1/files/etc/weir/edge.yaml'), /NATS_PASSWORD_NODE_FRA_E1/);
  });

  it('keeps static weights when edges are not asked for theirs', () => {
    const conf = file('health: { dynamicWeight: false }', 'fra-d1/files/etc/keepalived/keepalived.conf');
    assert.match(conf, /weight 3\n/);
    assert.doesNotMatch(conf, /MISC_CHECK/);
  });

  it('balances HTTP with persistence when told so', () => {
    const conf = file('limits: { persistenceSeconds: { http: 300 } }', 'fra-d1/files/etc/keepalived/keepalived.conf');
    assert.equal(conf.match(/persistence_timeout 300/g)?.length, 1);
  });
});

describe('the rendered folder', () => {
  it('is written once, loses what a later topology does not have, and a foreign one is left alone', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-infra-'));
    try {
      const files = renderFolder(topology());
      assert.equal(writeFolder(join(folder, 'out'), files).written, files.length);
      assert.deepEqual(readFolder(join(folder, 'out')), files);
      assert.deepEqual(writeFolder(join(folder, 'out'), files), { written: 0, removed: 0 });
      const fewer = renderFolder(topology((text) => text.replace(/ {2}ams-o1:.*\n/, '')));
      assert.ok(writeFolder(join(folder, 'out'), fewer).removed > 5);
      writeFileSync(join(folder, 'mine'), '');
      assert.throws(() => writeFolder(folder, files), { code: 'INFRA_FOREIGN_FOLDER' });
      assert.ok(existsSync(join(folder, 'mine')));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('gets its secrets made once', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-infra-'));
    try {
      const path = join(folder, 'secrets.env');
      writeFileSync(path, 'RELAY_KEY=mine\n');
      const first = writeSecrets(topology(), path);
      assert.deepEqual(first.kept, ['RELAY_KEY']);
      assert.ok(first.added.includes('NATS_PASSWORD_NODE'));
      const content = readFileSync(path, 'utf8');
      assert.match(content, /^RELAY_KEY=mine$/m);
      assert.deepEqual(writeSecrets(topology(), path).added, []);
      assert.equal(readFileSync(path, 'utf8'), content);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
