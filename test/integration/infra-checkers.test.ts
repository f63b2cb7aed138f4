// What is rendered from the topology, judged by each program that will read it, and by nothing of ours.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseTopology } from '@weir/contracts/topology/load';
import { renderFolder } from '@weir/infra/render/folder';
import { writeFolder } from '@weir/infra/render/write';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { parse as parseYaml } from 'yaml';

const example = readFileSync(new URL('../../infra/topology.example.yaml', import.meta.url), 'utf8');

/** The example and what its options change, each checked as a whole. */
const VARIANTS: Record<string, string> = {
  example: '',
  'hiding on directors, unicast, TLS for clients':
    'hiding: { method: director }\nvrrp: { unicast: true, preempt: true }\nclientTls: { enabled: true }\n',
  'a user per node, persistence, TLS for clients':
    'nats: { credentials: node }\nlimits: { persistenceSeconds: { rtmp: 60, http: 300 } }\nclientTls: { enabled: true }\n',
};

const folder = mkdtempSync(join(tmpdir(), 'weir-infra-'));
const roots: string[] = [];

/** Folders named `<variant>/<machine>` whose machine has `path`. */
const machinesWith = (path: string) => roots.filter((root) => existsSync(join(root, 'files', path)));

/** Runs a shell line in namespaces of its own where the machine's `/etc/<name>` lies over the host's. */
function inMachine(root: string, etc: string, line: string): { status: number | null; output: string } {
  const mount = `mkdir -p /etc/${etc} && mount --bind ${root}/files/etc/${etc} /etc/${etc}`;
  const result = spawnSync('unshare', ['-n', '-m', 'sh', '-c', `${mount} && ${line}`], { encoding: 'utf8' });
  return { status: result.status, output: result.stdout + result.stderr };
}

describe('rendered files, judged by the programs that read them', () => {
  before(() => {
    for (const [variant, text] of Object.entries(VARIANTS)) {
      const out = join(folder, variant.replaceAll(/\W+/g, '-'));
      writeFolder(out, renderFolder(parseTopology(`${example}\n${text}`, variant).topology));
      roots.push(
        ...readdirSync(out)
          .map((machine) => join(out, machine))
          .filter((root) => existsSync(join(root, 'manifest'))),
      );
    }
    assert.equal(roots.length, 18 * Object.keys(VARIANTS).length);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('keepalived takes every director’s configuration', async (t) => {
    const why = await whyWithout(['keepalived']);
    if (why) return t.skip(why);
    const directors = machinesWith('etc/keepalived/keepalived.conf');
    assert.equal(directors.length, 4 * Object.keys(VARIANTS).length);
    for (const root of directors) {
      const card = 'ip link add eth0 type veth peer name peer0';
      const result = inMachine(root, 'keepalived', `${card} && keepalived -t -f /etc/keepalived/keepalived.conf`);
      assert.equal(result.status, 0, `${root}: ${result.output}`);
      assert.doesNotMatch(result.output, /unknown|invalid|ignor/i, root);
    }
    // the checker does notice what is wrong
    const [root = ''] = directors;
    const conf = join(root, 'files/etc/keepalived/keepalived.conf');
    writeFileSync(conf, readFileSync(conf, 'utf8').replace(/virtual_router_id \d+/, 'virtual_router_id 511'));
    assert.notEqual(
      inMachine(
        root,
        'keepalived',
        'ip link add eth0 type veth peer name peer0 && keepalived -t -f /etc/keepalived/keepalived.conf',
      ).status,
      0,
    );
  });

  it('nft takes every machine’s firewall, twice in a row', async (t) => {
    const why = await whyWithout(['nft']);
    if (why) return t.skip(why);
    const probe = spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
    if (probe.status !== 0) return t.skip(`this kernel has no nftables: ${probe.stderr}`);
    const machines = machinesWith('etc/weir/firewall.nft');
    assert.equal(machines.length, roots.length);
    for (const root of machines) {
      const result = inMachine(
        root,
        'weir',
        'nft -c -f /etc/weir/firewall.nft && nft -f /etc/weir/firewall.nft && nft -f /etc/weir/firewall.nft && nft list ruleset | grep -c "table inet weir"',
      );
      assert.equal(result.status, 0, `${root}: ${result.output}`);
      assert.equal(result.output.trim(), '1', root);
    }
  });

  it('nats-server takes every server’s configuration', async (t) => {
    const why = await whyWithout(['nats-server', 'openssl']);
    if (why) return t.skip(why);
    const servers = machinesWith('etc/weir/nats-server.conf');
    assert.equal(servers.length, 4 * Object.keys(VARIANTS).length);
    for (const root of servers) {
      const conf = join(root, 'files/etc/weir/nats-server.conf');
      writeFileSync(conf, readFileSync(conf, 'utf8').replaceAll(/@secret:([A-Z0-9_]+)@/g, 'p-$1'));
      const tls = join(root, 'files/etc/weir/tls');
      mkdirSync(tls, { recursive: true });
      const paths = ['-keyout', join(tls, 'key.pem'), '-out', join(tls, 'cert.pem')];
      execFileSync(
        'openssl',
        ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=t', ...paths],
        { stdio: 'ignore' },
      );
      execFileSync('cp', [join(tls, 'cert.pem'), join(tls, 'ca.pem')]);
      const result = inMachine(root, 'weir', 'nats-server -t -c /etc/weir/nats-server.conf');
      assert.equal(result.status, 0, `${root}: ${result.output}`);
    }
  });

  it('pdnsutil takes every name server’s zone', async (t) => {
    const why = await whyWithout(['pdns_server', 'pdnsutil']);
    if (why) return t.skip(why);
    const servers = machinesWith('etc/powerdns/pdns.conf');
    assert.equal(servers.length, 2 * Object.keys(VARIANTS).length);
    for (const root of servers) {
      const result = inMachine(root, 'powerdns', 'pdnsutil check-zone live.example.net');
      assert.equal(result.status, 0, `${root}: ${result.output}`);
      assert.match(result.output, /Checked \d+ records of 'live\.example\.net', 0 errors, 0 warnings/, result.output);
    }
  });

  it('systemd takes every unit', async (t) => {
    const why = await whyWithout(['systemd-analyze']);
    if (why) return t.skip(why);
    // programs that this machine need not have
    const stand = (path: string) => `mkdir -p ${path.replace(/\/[^/]*$/, '')} && cp /bin/true ${path}`;
    for (const root of roots) {
      const units = readdirSync(join(root, 'files/etc/systemd/system')).filter((name) => name.endsWith('.service'));
      const programs = units
        .flatMap((unit) => [
          ...readFileSync(join(root, 'files/etc/systemd/system', unit), 'utf8').matchAll(/^Exec\w+=(\S+)/gm),
        ])
        .map((match) => match[1] ?? '');
      const missing = [...new Set(programs)].filter((path) => !existsSync(path));
      const parents = ['/opt', '/usr/local/lib'].map((path) => `mount -t tmpfs none ${path}`);
      const paths = units.map((unit) => `/etc/systemd/system/${unit}`).join(' ');
      const line = [
        ...parents,
        ...missing.filter((path) => /^\/(opt|usr\/local\/lib)\//.test(path)).map(stand),
        `systemd-analyze verify --man=no ${paths}`,
      ];
      const result = inMachine(root, 'systemd/system', line.join(' && '));
      const relevant = result.output
        .split('\n')
        .filter((text) => text.includes('weir') && !/not executable|nats-server/.test(text));
      assert.deepEqual(relevant, [], root);
      assert.equal(result.status, 0, `${root}: ${result.output}`);
    }
  });

  it('shellcheck takes every script', async (t) => {
    const why = await whyWithout(['shellcheck']);
    if (why) return t.skip(why);
    const scripts = roots.flatMap((root) =>
      ['install.sh', 'files/usr/local/lib/weir/edge-weight', 'files/usr/local/lib/weir/ask-weights'].map((name) =>
        join(root, name),
      ),
    );
    const one = [
      ...new Map(scripts.filter((path) => existsSync(path)).map((path) => [readFileSync(path, 'utf8'), path])).values(),
    ];
    assert.equal(one.length, 3);
    const result = spawnSync('shellcheck', ['--severity=style', '--exclude=SC2016,SC2094', ...one], {
      encoding: 'utf8',
    });
    assert.equal(result.status, 0, result.stdout);
  });

  it('Ansible takes the playbook and the inventory', async (t) => {
    const why = await whyWithout(['ansible-playbook']);
    if (why) return t.skip(why);
    const ansible = join(folder, 'example', 'ansible');
    const run = (...args: string[]) =>
      spawnSync('ansible-playbook', ['-i', 'inventory.yaml', ...args, 'site.yaml'], { cwd: ansible, encoding: 'utf8' });
    const syntax = run('--syntax-check');
    assert.equal(syntax.status, 0, syntax.stdout + syntax.stderr);
    assert.doesNotMatch(syntax.stderr, /WARNING/, syntax.stderr);
    assert.match(run('--list-hosts').stdout, /Install edge[\s\S]*?hosts \(5\)/);
    // what it would run, as Ansible fills it in (test/ha/part-machines.ts runs all of it)
    const argv = /argv: "(.*)"$/m.exec(readFileSync(join(ansible, 'site.yaml'), 'utf8'))?.[1] ?? 'none';
    const filled = spawnSync(
      'ansible',
      ['-i', 'localhost,', '-c', 'local', '--check', 'localhost', '-m', 'debug', '-a', `msg="${argv}"`],
      {
        encoding: 'utf8',
      },
    );
    const [, said] = /"msg": (\[[\s\S]*?\])/.exec(filled.stdout) ?? [];
    assert.deepEqual(
      JSON.parse(said ?? '[]'),
      ['sh', '/var/lib/weir-install/rendered/install.sh', '--dry-run'],
      filled.stdout,
    );
  });

  it('cloud-init’s user data holds the whole folder', () => {
    const root = join(folder, 'example', 'fra-e1');
    const data = parseYaml(readFileSync(join(root, 'cloud-init.yaml'), 'utf8')) as {
      write_files: { path: string; content: string }[];
    };
    assert.match(readFileSync(join(root, 'cloud-init.yaml'), 'utf8'), /^#cloud-config\n/);
    for (const path of ['install.sh', 'manifest', 'files/etc/weir/edge.yaml']) {
      const entry = data.write_files.find((file) => file.path === `/var/lib/weir-install/rendered/${path}`);
      assert.equal(entry?.content, readFileSync(join(root, path), 'utf8'));
    }
  });
});
