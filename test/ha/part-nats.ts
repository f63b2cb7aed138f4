// Three NATS servers and a leaf from rendered files, with TLS and a user per node, in one namespace: rights, and a leader's death.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseTopology } from '@weir/contracts/topology/load';
import { renderFolder } from '@weir/infra/render/folder';
import { writeSecrets } from '@weir/infra/render/secrets';
import { writeFolder } from '@weir/infra/render/write';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { waitFor } from '@weir/test/harness/wait';
import { fillSecrets } from './ns/fill-secrets.ts';
import { end, type Namespace, Namespaces } from './ns/namespace.ts';

const SERVERS = { 'fra-s1': '10.20.0.41', 'fra-s2': '10.20.0.42', 'fra-s3': '10.20.0.43', 'ams-s1': '10.30.0.41' };
const example = readFileSync(fileURLToPath(new URL('../../infra/topology.example.yaml', import.meta.url)), 'utf8');
const why = await whyWithout(['nats-server', 'openssl']);

describe('a rendered NATS cluster', { skip: why ?? false }, () => {
  const out = mkdtempSync(join(tmpdir(), 'weir-ha-'));
  const namespaces = new Namespaces();
  const running = new Map<string, ChildProcess>();
  const found = new Map<string, unknown>();
  let machine: Namespace;
  let clients: ChildProcess;

  before(async () => {
    const { topology } = parseTopology(`${example}\nnats: { credentials: node }\n`, 'example');
    writeFolder(out, renderFolder(topology));
    const secrets = join(out, 'secrets.env');
    writeSecrets(topology, secrets);
    makeCertificates(out);
    machine = namespaces.add('nats');
    for (const [name, address] of Object.entries(SERVERS)) {
      machine.must(`ip address add ${address}/32 dev lo`);
      const conf = join(out, name, 'files/etc/weir/nats-server.conf');
      fillSecrets(conf, secrets);
      mkdirSync(join(out, name, 'files/etc/weir/tls'), { recursive: true });
      for (const file of ['ca.pem', 'cert.pem', 'key.pem'])
        execFileSync('cp', [join(out, 'tls', file), join(out, name, 'files/etc/weir/tls', file)]);
      mkdirSync(join(out, name, 'data'));
      // one namespace for all of them: each on its own address
      const text = readFileSync(conf, 'utf8')
        .replace('host: 0.0.0.0', `host: ${address}`)
        .replace('http: 127.0.0.1:8222', `http: ${address}:8222`);
      writeFileSync(conf, text);
      start(name);
    }
    const members = ['fra-s1', 'fra-s2', 'fra-s3']
      .map((name) => `tls://${SERVERS[name as keyof typeof SERVERS]}:4222`)
      .join(',');
    const script = fileURLToPath(new URL('./ns/nats-clients.ts', import.meta.url));
    clients = machine.start(
      `env NODE_EXTRA_CA_CERTS=${join(out, 'tls/ca.pem')} ${process.execPath} ${script} ${secrets} ${members} tls://${SERVERS['ams-s1']}:4222`,
      { stdin: 'pipe', log: join(out, 'clients.log') },
    );
    if (!clients.stdout) throw new Error('no output of the clients');
    createInterface({ input: clients.stdout }).on('line', (line) => {
      const { finding, value } = JSON.parse(line) as { finding: string; value: unknown };
      found.set(finding, value);
    });
    await finding('publishing');
  });
  after(async () => {
    await namespaces.close();
    rmSync(out, { recursive: true, force: true });
  });

  function start(name: string): void {
    const child = machine.start('nats-server -c /etc/weir/nats-server.conf', {
      mounts: [`${out}/${name}/files/etc/weir:/etc/weir`, `${out}/${name}/data:/var/lib/nats`],
      log: join(out, `${name}.log`),
    });
    running.set(name, child);
  }

  async function finding(name: string): Promise<unknown> {
    const holder = await waitFor(
      `"${name}" (there are ${[...found.keys()].join(', ')})`,
      () => {
        if (found.has(name)) return { value: found.get(name) };
        return clients.exitCode === null
          ? undefined
          : { failed: readFileSync(join(out, 'clients.log'), 'utf8').slice(0, 2_000) };
      },
      { timeoutMs: 60_000 },
    );
    if ('failed' in holder) throw new Error(`the clients ended: ${holder.failed}`);
    return holder.value;
  }

  it('forms with three replicas, over TLS', async () => {
    assert.equal(await finding('replicas'), 2);
    assert.equal(await finding('dead letters are there'), 3);
  });

  it('lets a node send its telemetry, read its own last message and keep its heartbeat, near and through a leaf', async () => {
    assert.deepEqual(await finding('own telemetry'), { seq: 1, readBack: 'first' });
    assert.equal(await finding('own heartbeat'), 'alive');
    assert.equal(await finding('telemetry through the leaf'), 'WEIR_TELEMETRY');
  });

  it('refuses everything else', async () => {
    const refused = (await finding('refused')) as Record<string, boolean>;
    assert.deepEqual(
      Object.entries(refused).filter(([, is]) => !is),
      [],
    );
    assert.equal(Object.keys(refused).length, 7);
  });

  it('loses nothing when the server that leads the stream is killed under load', async () => {
    const leader = String(await finding('leader'));
    const before = Number(found.get('progress') ?? 0);
    await end(running.get(leader) as ChildProcess, 'SIGKILL');
    await waitFor('publishing goes on', () => Number(found.get('progress') ?? 0) >= before + 300, {
      timeoutMs: 100_000,
    });
    clients.stdin?.write('stop\n');
    const { sent, kept, largestPauseMs } = (await finding('kept')) as {
      sent: number;
      kept: number;
      largestPauseMs: number;
    };
    assert.equal(kept, sent);
    process.stderr.write(
      `\nNATS: leader killed, ${sent} messages, ${sent - kept} lost, largest pause ${largestPauseMs} ms\n`,
    );
    // votes may be split several times: 5 to 24 s were seen, three times that is allowed, and an outbox has to bear it
    assert.ok(largestPauseMs < 75_000, `${largestPauseMs} ms`);
  });
});

/** A certificate for all servers' addresses, by a CA of its own. */
function makeCertificates(out: string): void {
  const tls = join(out, 'tls');
  mkdirSync(tls);
  const names = Object.values(SERVERS)
    .map((address) => `IP:${address}`)
    .join(',');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: tls, stdio: 'ignore' });
  openssl('req', '-x509', ...key, '-subj', '/CN=test CA', '-keyout', 'ca.key', '-out', 'ca.pem');
  openssl(
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=nats',
    '-keyout',
    'key.pem',
    '-out',
    'cert.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-addext',
    `subjectAltName=DNS:localhost,${names}`,
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  );
}
