// A rendered folder on a machine with systemd, by Ansible and by hand: units really start, wait, restart, stop.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseTopology } from '@weir/contracts/topology/load';
import { renderFolder } from '@weir/infra/render/folder';
import { writeSecrets } from '@weir/infra/render/secrets';
import { writeFolder } from '@weir/infra/render/write';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { Booted, whyNotBooted } from './ns/booted.ts';
import { Namespaces } from './ns/namespace.ts';
import { printTable, Rows } from './table.ts';

/** Everything of a small site on one machine; ClickHouse is another, which is not there. */
const topologyOf = (roles: string, rest = '') => `
sites: { vm: { network: 10.9.0.0/24, interface: eth0 } }
machines:
  m1: { site: vm, address: 10.9.0.51, roles: [${roles}] }
  c1: { site: vm, address: 10.9.0.52, roles: [clickhouse] }
  o1: { site: vm, address: 10.9.0.53, roles: [origin] }
${rest}`;
const why = whyNotBooted() ?? (await whyWithout(['nats-server', 'nft', 'ansible-playbook']));

describe('a machine with systemd', { skip: why ?? false }, () => {
  const out = mkdtempSync(join(tmpdir(), 'weir-ha-'));
  const namespaces = new Namespaces();
  const rows = new Rows();
  let machine: Booted;

  const render = (roles: string, rest = '') => {
    const { topology } = parseTopology(topologyOf(roles, rest), 'the test');
    writeFolder(join(out, 'rendered'), renderFolder(topology));
    writeSecrets(topology, join(out, 'secrets.env'));
  };
  const install = (options = '') =>
    machine.run(`sh /mnt/rendered/m1/install.sh --no-packages --secrets /mnt/secrets.env ${options}`);

  before(async () => {
    mkdirSync(join(out, 'rendered'));
    render('nats, edge, ingest');
    machine = await Booted.boot(namespaces, 'm1', '10.9.0.51/24', out);
  });
  after(async () => {
    await machine?.close();
    await namespaces.close();
    printTable('Machines with systemd', rows.all);
    rmSync(out, { recursive: true, force: true });
  });

  it('is installed by the playbook, although the package’s NATS has our port and ClickHouse is not there', () => {
    // what the package does when it is installed
    machine.must('systemctl enable --now nats-server.service');
    const playbook = machine.run(
      'cd /mnt/rendered/ansible && ansible-playbook -i inventory.yaml -c local --limit m1 site.yaml -e weir_secrets=/mnt/secrets.env',
    );
    const units = ['weir-firewall', 'weir-nats', 'weir-edge'];
    const states = units.map((unit) => machine.state(`${unit}.service`));
    rows.found({
      check: 'a machine by the playbook: firewall, NATS, edge',
      passed: playbook.status === 0 && states.every((state) => state === 'active'),
      measured: states.join(', '),
      target: 'active',
      detail: playbook.output,
    });
    assert.match(playbook.output, /\? weir-ingest\.service does not run yet, systemd goes on trying/);
    assert.equal(machine.state('weir-ingest.service'), 'activating');
    assert.equal(machine.state('nats-server.service'), 'inactive');
    assert.equal(machine.run('ls /var/lib/weir-install/rendered/secrets.env').status, 2, 'its secrets stayed there');
    assert.match(machine.must('curl -s http://10.9.0.51:8080/healthz'), /ok/);
  });

  it('is left alone by a second run, in which nothing restarts', () => {
    const units = ['weir-nats.service', 'weir-edge.service'];
    const pids = units.map((unit) => machine.pid(unit));
    const { status, output } = install();
    rows.found({
      check: 'install.sh again',
      passed: status === 0 && /^changed: 0$/m.test(output),
      measured: /changed: \d+/.exec(output)?.[0] ?? 'nothing',
      target: 'changed: 0',
      detail: output,
    });
    assert.deepEqual(
      units.map((unit) => machine.pid(unit)),
      pids,
    );
  });

  it('goes on where a run ended half-way: what it had changed is put in force by the next', async () => {
    const pid = machine.pid('weir-edge.service');
    render('nats, edge, ingest', 'telemetry: { intervalMs: 2000 }\nsoftware: { archive: /mnt/not-there.tar.gz }');
    const broken = install();
    assert.equal(broken.status, 1, broken.output);
    assert.match(broken.output, /~ file \/etc\/weir\/edge\.yaml/);
    assert.equal(machine.pid('weir-edge.service'), pid);
    render('nats, edge, ingest', 'telemetry: { intervalMs: 2000 }');
    const { status, output } = install();
    assert.equal(status, 0, output);
    assert.match(output, /! what an earlier run that did not end has left to do\n/);
    const restarted = machine.pid('weir-edge.service');
    rows.found({
      check: 'a run that ended half-way, again',
      passed: restarted !== pid && /! restart weir-edge\.service/.test(output),
      measured: restarted === pid ? 'the edge runs on' : 'the edge restarted',
      target: 'restarted',
      detail: output,
    });
    assert.match(install().output, /^changed: 0$/m);
  });

  it('says which unit is down', () => {
    const dropIn = '/etc/systemd/system/weir-firewall.service.d';
    machine.must(`mkdir -p ${dropIn}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >${dropIn}/x.conf`);
    machine.must('systemctl daemon-reload; systemctl stop weir-firewall.service');
    const { status, output } = install();
    assert.equal(status, 1, output);
    assert.match(output, /not all is well: weir-firewall\.service is down \(journalctl -u weir-firewall\.service\)/);
    machine.must(`rm -r ${dropIn}; systemctl daemon-reload`);
    assert.equal(install().status, 0);
    assert.equal(machine.state('weir-firewall.service'), 'active');
  });

  it('loses a role: its units are stopped and gone', () => {
    render('nats, ingest');
    const { status, output } = install();
    assert.equal(status, 0, output);
    assert.match(output, /- unit weir-edge\.service\n[\s\S]*- file \/etc\/systemd\/system\/weir-edge\.service/);
    const processes = machine.run('pgrep -f "[e]dge --role"').output;
    const agent = machine.state('weir-agent.service');
    rows.found({
      check: 'a role taken away',
      passed: machine.state('weir-edge.service') === 'inactive' && processes === '' && agent === 'active',
      measured: `edge ${processes === '' ? 'stopped' : 'running'}, agent ${agent}`,
      target: 'stopped, active',
      detail: output,
    });
    assert.match(install().output, /^changed: 0$/m);
  });
});
