/** What a topology file may say, and the sentence for each mistake in it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { errorCode } from '../errors.ts';
import { loadTopology, parseTopology, TopologyError } from './load.ts';

const examplePath = new URL('../../../../infra/topology.example.yaml', import.meta.url).pathname;
const example = readFileSync(examplePath, 'utf8');

/** The problems of the example with `from` replaced by `to` everywhere. */
function problemsAfter(from: string | RegExp, to: string): readonly { code: string; path: string; message: string }[] {
  const changed = example.replaceAll(from instanceof RegExp ? new RegExp(from, 'g') : from, to);
  assert.notEqual(changed, example, `nothing was replaced by ${from}`);
  try {
    parseTopology(changed, 'example');
  } catch (error) {
    if (error instanceof TopologyError) return error.problems;
    throw error;
  }
  return [];
}

describe('topology', () => {
  it('loads the example with every default filled in and nothing doubtful', () => {
    const { topology, warnings } = loadTopology(examplePath);
    assert.deepEqual(warnings, []);
    assert.equal(topology.machines['fra-e1']?.weight, 3);
    assert.deepEqual(topology.machines['fra-d1']?.roles, []);
    assert.equal(topology.ports.rtmpHidden, 19_350);
  });

  const refused: [title: string, from: string | RegExp, to: string, code: string, path: string, words: RegExp][] = [
    [
      'an unknown key, with the nearest known one',
      'ttlSeconds',
      'ttlSecond',
      'UNKNOWN_KEY',
      'dns.ttlSecond',
      /ttlSeconds/,
    ],
    [
      'an unknown key of a machine',
      'weight: 2, cards',
      'wieght: 2, cards',
      'UNKNOWN_KEY',
      'machines.fra-e2.wieght',
      /weight/,
    ],
    ['a machine’s name NATS could not carry', 'fra-s3:', 'fra.s3:', 'NAME', 'machines.fra.s3', /letters/],
    ['a value out of range', 'weight: 1,', 'weight: 26,', 'VALUE', 'machines.fra-e3.weight', /<= 25/],
    ['a machine without an address', 'address: 10.20.0.43, ', '', 'VALUE', 'machines.fra-s3', /address/],
    ['an address used twice', '10.20.0.22', '10.20.0.21', 'ADDRESS_TWICE', 'machines.fra-e2.address', /fra-e1/],
    [
      'a virtual address that a machine has',
      'virtualAddress: 10.20.0.100',
      'virtualAddress: 10.20.0.11',
      'ADDRESS_TWICE',
      'groups.fra-1.virtualAddress',
      /fra-d1/,
    ],
    [
      'a reserved address that another machine has',
      '10.20.0.25',
      '10.20.0.31',
      'ADDRESS_TWICE',
      'groups.fra-1.reserved.1',
      /fra-o1/,
    ],
    ['what is no address', '10.20.0.22', '10.20.0.222.1', 'ADDRESS', 'machines.fra-e2.address', /no IPv4/],
    ['an address off the link', '10.20.0.22', '10.99.0.22', 'OFF_LINK', 'machines.fra-e2.address', /10\.20\.0\.0\/24/],
    ['what is no network', '10.30.0.0/24', '10.30.0.0', 'NETWORK', 'sites.ams.network', /no network/],
    [
      'a hardware address used twice',
      '52:54:00:20:00:12',
      '52:54:00:20:00:11',
      'MAC_TWICE',
      'machines.fra-d2.mac',
      /fra-d1/,
    ],
    [
      'a director without hardware address',
      ", mac: '52:54:00:20:00:12'",
      '',
      'NO_MAC',
      'machines.fra-d2.mac',
      /onLink/,
    ],
    ['a director without partner', '[fra-d1, fra-d2]', '[fra-d1]', 'NO_PARTNER', 'groups.fra-1.directors', /two/],
    [
      'a director that is no machine',
      '[fra-d1, fra-d2]',
      '[fra-d1, fra-d3]',
      'DIRECTOR',
      'groups.fra-1.directors',
      /fra-d/,
    ],
    [
      'a director in two groups',
      '[ams-d1, ams-d2]',
      '[ams-d1, fra-d1]',
      'DIRECTOR_TWICE',
      'groups.ams-1.directors',
      /fra-1/,
    ],
    [
      'a director that serves media',
      'address: 10.20.0.12,',
      'roles: [origin], address: 10.20.0.12,',
      'DIRECTOR_IS_EDGE',
      'machines.fra-d2',
      /loop/,
    ],
    [
      'a router id used twice on one link',
      /site: ams\n(.*)\n(.*)52/,
      'site: fra\n$1\n$251',
      'ROUTER_ID_TWICE',
      'groups.ams-1.virtualRouterId',
      /fra-1/,
    ],
    [
      'weight 0 everywhere in a group',
      /weight: [321], cards/,
      'weight: 0, cards',
      'WEIGHT_ZERO',
      'groups.fra-1',
      /nobody/,
    ],
    [
      'weight 0 everywhere in the answers',
      / {4}weight: [23]/,
      '    weight: 0',
      'WEIGHT_ZERO',
      'dns.records.0',
      /nobody/,
    ],
    ['a group that is not there', 'group: ams-1', 'group: ams-2', 'GROUP', 'machines.ams-e1.group', /"ams-1"/],
    ['a group without edges', ', group: ams-1', '', 'NO_EDGES', 'groups.ams-1', /no edge/],
    [
      'an edge at another site than its group',
      'site: ams, address: 10.30.0.22',
      'site: fra, address: 10.20.0.29',
      'GROUP_SITE',
      'machines.ams-e2.group',
      /one link/,
    ],
    [
      'a machine that does nothing',
      'address: 10.20.0.43, roles: [nats]',
      'address: 10.20.0.43',
      'IDLE',
      'machines.fra-s3',
      /no roles/,
    ],
    [
      'weight on what is no edge',
      'roles: [nats] }',
      'roles: [nats], weight: 2 }',
      'NOT_AN_EDGE',
      'machines.fra-s3',
      /edge/,
    ],
    ['a speed that is none', '10Gbit', '10 parsecs', 'SPEED', 'machines.fra-e1.cards.eth0', /1Gbit/],
    ['no origin', 'roles: [origin]', 'roles: [nats]', 'NO_ORIGIN', 'machines', /origin/],
    [
      'an even number of NATS servers',
      'address: 10.20.0.43, roles: [nats]',
      'address: 10.20.0.43, roles: [dns]',
      'NATS_EVEN',
      'machines',
      /1, 3 or 5/,
    ],
    ['a zone that is none', 'zone: live.example.net', 'zone: live_example', 'ZONE', 'dns.zone', /no zone/],
    ['name servers without a zone', 'zone: live.example.net', "zone: ''", 'NO_ZONE', 'dns.zone', /missing/],
    ['a zone without name servers', /dns, /, '', 'NO_DNS', 'dns.zone', /role dns/],
    ['a record twice', 'name: fra,', 'name: rtmp,', 'RECORD_TWICE', 'dns.records.1.name', /rtmp/],
    ['a backup that is primary', 'backup: [ams-1]', 'backup: [fra-1]', 'BACKUP', 'dns.records.1.backup', /fra-1/],
    ['ClickHouse that nobody writes to', /, ingest\]/, ']', 'NO_INGEST', 'machines', /ingest/],
    [
      'ports that meet',
      'cluster: weir',
      'cluster: weir\nports: { node: 19350 }',
      'PORT_TWICE',
      'ports.node',
      /rtmpHidden/,
    ],
    [
      'ports that meet on one machine, whatever its roles',
      'cluster: weir',
      'cluster: weir\nports: { grafana: 8123 }',
      'PORT_TWICE',
      'ports.grafana',
      /ports\.clickhouse on fra-c1 \(clickhouse, grafana\)/,
    ],
    [
      'a host that is none',
      'cluster: weir',
      "cluster: weir\nclickhouse: { host: 'a b' }",
      'TEXT',
      'clickhouse.host',
      /host/,
    ],
    ['an address for measurements that is none', '/faro/collect', '/collect', 'TEXT', 'faro.url', /faro\/collect/],
    ['an IPv6 address, by its name', '10.20.0.21', "'2001:db8::21'", 'ADDRESS', 'machines.fra-e1.address', /is IPv6/],
    ['the address of a whole link', '10.20.0.21', '10.20.0.255', 'ADDRESS', 'machines.fra-e1.address', /first or last/],
    [
      'a role nobody knows, with the nearest',
      '[dns, nats-',
      '[dsn, nats-',
      'VALUE',
      'machines.ams-s1.roles.0',
      /"dns"\?/,
    ],
    [
      'nodes that would be called alike',
      'fra-o1: { site: fra, address: 10.20.0.31, roles: [origin] }',
      'x: { site: fra, address: 10.20.0.31, roles: [edge, origin], group: fra-1 }\n  x-origin: { site: fra, address: 10.20.0.32, roles: [origin] }',
      'NODE_TWICE',
      'machines.x-origin',
      /one of x would/,
    ],
    ['a machine’s name that Ansible has', 'fra-s3:', 'all:', 'NAME', 'machines.all', /Ansible/],
    [
      'a name in the zone that differs by capitals only',
      'name: fra,',
      'name: RTMP,',
      'RECORD_TWICE',
      'dns.records.1.name',
      /RTMP/,
    ],
    ['a cluster whose name NATS could not read', 'cluster: weir', "cluster: 'a b'", 'TEXT', 'cluster', /letters/],
    [
      'a card the kernel could not have',
      'interface: eth0',
      "interface: 'eth0; reboot'",
      'TEXT',
      'sites.fra.interface',
      /card/,
    ],
    [
      'a path that would be two',
      'cluster: weir',
      "cluster: weir\nsoftware: { path: '/opt/my weir' }",
      'TEXT',
      'software.path',
      /spaces/,
    ],
    [
      'a checksum that is none',
      'cluster: weir',
      'cluster: weir\nsoftware: { archive: x, sha256: abc }',
      'TEXT',
      'software.sha256',
      /64/,
    ],
  ];
  for (const [title, from, to, code, path, words] of refused) {
    it(`refuses ${title}`, () => {
      const problems = problemsAfter(from, to);
      const found = problems.find((problem) => problem.code === `TOPOLOGY_${code}` && problem.path === path);
      assert.ok(found, `expected ${code} at ${path}, got ${JSON.stringify(problems)}`);
      assert.match(found.message, words);
    });
  }

  it('reports all problems at once', () => {
    const problems = problemsAfter('10.20.0.0/24', '10.99.0.0/24');
    assert.ok(problems.length > 5, `${problems.length} problems`);
  });

  it('lets an edge take an address that its group has reserved', () => {
    const added = example.replace(
      '  fra-o1:',
      '  fra-e4: { site: fra, address: 10.20.0.24, roles: [edge], group: fra-1 }\n  fra-o1:',
    );
    assert.doesNotThrow(() => parseTopology(added, 'example'));
  });

  it('warns of single machines that the service hangs on', () => {
    const one = example.replace('ams-o1: { site: ams, address: 10.30.0.31, roles: [origin] }', '');
    const { warnings } = parseTopology(one, 'example');
    assert.deepEqual(
      warnings.map((warning) => warning.code),
      ['TOPOLOGY_ONE_ORIGIN'],
    );
  });

  it('says which file is missing or no YAML', () => {
    assert.throws(() => loadTopology('/nowhere.yaml'), { code: 'CONFIG_FILE', message: /does not exist/ });
    assert.throws(
      () => parseTopology('a: [', 'x'),
      (error) => errorCode(error) === 'CONFIG_FILE',
    );
  });
});
