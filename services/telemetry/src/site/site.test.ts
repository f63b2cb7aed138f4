/** What the kernel, ipvsadm, PowerDNS and the configuration say, read from their own words. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger } from '@weir/contracts/logger';
import { parseDirectedGroups } from './directed-groups.ts';
import { dnsMetrics, parseHealth } from './dns.ts';
import { parseIpvsStats, parseIpvsTable } from './ipvs-tables.ts';

const TABLE = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A090064:078F wrr
  -> 0A090017:078F      Route   0      2          1
  -> 0A090015:078F      Route   30     10         0
TCP  0A090064:0050 wrr persistent 300 FFFFFFFF
FWM  00000001 wrr
  -> 0A090015:0000      Route   1      5          5
TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:078F wrr
  -> [2001:0db8:0000:0000:0000:0000:0000:0015]:078F      Route   7      3          4
`;

const STATS = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.9.0.100:80                       4       20        0     1200        0
  -> 10.9.0.21:80                        4       20        0     1200        0
TCP  10.9.0.100:1935                123456 98765432        0 12345678901        0
  -> 10.9.0.21:1935                  61728 49382716        0 6172839450        0
FWM  1                                   9        9        9        9        9
  -> 10.9.0.21:0                         9        9        9        9        9
`;

describe('IPVS', () => {
  it('is read from the kernel: services, also empty ones, with weights and connections of their edges', () => {
    assert.deepEqual(parseIpvsTable(TABLE), [
      {
        address: '10.9.0.100:1935',
        servers: [
          { address: '10.9.0.23:1935', weight: 0, active: 2, inactive: 1 },
          { address: '10.9.0.21:1935', weight: 30, active: 10, inactive: 0 },
        ],
      },
      { address: '10.9.0.100:80', servers: [] },
      {
        address: '[2001:0db8:0000:0000:0000:0000:0000:0001]:1935',
        servers: [{ address: '[2001:0db8:0000:0000:0000:0000:0000:0015]:1935', weight: 7, active: 3, inactive: 4 }],
      },
    ]);
    assert.deepEqual(parseIpvsTable(''), []);
  });

  it('has exact totals per service and edge from ipvsadm', () => {
    const totals = parseIpvsStats(STATS);
    assert.deepEqual([...totals.keys()], ['10.9.0.100:80 10.9.0.21:80', '10.9.0.100:1935 10.9.0.21:1935']);
    assert.deepEqual(totals.get('10.9.0.100:1935 10.9.0.21:1935'), {
      service: '10.9.0.100:1935',
      server: '10.9.0.21:1935',
      connections: 61_728,
      packetsIn: 49_382_716,
      packetsOut: 0,
      bytesIn: 6_172_839_450,
      bytesOut: 0,
    });
  });
});

describe('the health text of a name', () => {
  it('tells each group with its set', () => {
    assert.deepEqual(parseHealth('answers 10.20.0.100=1 10.30.0.100=0; backup 10.40.0.100=1'), [
      { set: 'answers', address: '10.20.0.100', isUp: true },
      { set: 'answers', address: '10.30.0.100', isUp: false },
      { set: 'backup', address: '10.40.0.100', isUp: true },
    ]);
  });

  it('of somebody else says nothing', () => {
    assert.deepEqual(parseHealth('v=spf1 include:example.net ~all'), []);
  });

  it('is asked of an address only', () => {
    const logger = createLogger('test', 'silent');
    for (const server of ['ns1', '127.0.0.1:53x']) {
      assert.throws(() => dnsMetrics({ server, names: [], logger }), {
        code: 'AGENT_DNS_SERVER',
        message: /127\.0\.0\.1:53\.$/,
      });
    }
    assert.doesNotThrow(() => dnsMetrics({ server: '127.0.0.1:5300', names: [], logger }));
  });
});

describe('groups that a machine directs', () => {
  it('are named with address, card and number of directors, in any order', () => {
    assert.deepEqual(parseDirectedGroups(['fra-1 card=eth0 directors=2 address=10.20.0.100']), [
      { name: 'fra-1', address: '10.20.0.100', card: 'eth0', directors: 2 },
    ]);
  });

  it('are refused with the entry and an example', () => {
    for (const entry of [
      '',
      'fra-1',
      'g address=10.0.0.1 card=eth0 directors=none',
      'g address=x card=e directors=2',
    ]) {
      assert.throws(() => parseDirectedGroups([entry]), {
        code: 'CONFIG_INVALID',
        message: `Configuration key "agent.groups" has the entry "${entry}"; write it like "fra-1 address=10.20.0.100 card=eth0 directors=2".`,
      });
    }
  });
});
