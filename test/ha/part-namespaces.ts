// What needs no IPVS, in network namespaces of the host, from rendered files: VRRP fail-over and DNS with health checks.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadTopology } from '@weir/contracts/topology/load';
import { renderFolder } from '@weir/infra/render/folder';
import { writeFolder } from '@weir/infra/render/write';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { waitFor } from '@weir/test/harness/wait';
import { type Ask, startClients } from './ns/clients.ts';
import { end, type Namespace, Namespaces } from './ns/namespace.ts';
import { printTable, type Row, seconds } from './table.ts';

const ALLOWANCE = 3;
const STUB = fileURLToPath(new URL('./ns/stand-in-edge.ts', import.meta.url));
const rows: Row[] = [];

/** Renders a topology of the repository into a folder of its own. */
function render(path: string): string {
  const out = mkdtempSync(join(tmpdir(), 'weir-ha-'));
  writeFolder(out, renderFolder(loadTopology(fileURLToPath(new URL(path, import.meta.url))).topology));
  return out;
}

const whyNoVrrp = await whyWithout(['keepalived']);
describe('two directors without IPVS', { skip: whyNoVrrp ?? false }, () => {
  const VIP = '10.9.0.100';
  const out = render('./topology.yaml');
  const namespaces = new Namespaces();
  const directors: Namespace[] = [];
  const running: ChildProcess[] = [];
  let ask: Ask;
  const holds = (director: Namespace | undefined) =>
    director?.must('ip -br address show eth0').includes(`${VIP}/`) === true;
  const start = (at: number) => {
    const director = directors[at] as Namespace;
    running[at] = director.start('keepalived --dont-fork --log-console --vrrp', {
      mounts: [`${out}/${director.name}/files/etc/keepalived:/etc/keepalived`],
      log: join(out, `${director.name}.log`),
    });
  };

  before(async () => {
    for (const at of [1, 2]) {
      const director = namespaces.add(`d${at}`, `10.9.0.1${at}/24`);
      // something to connect to at the virtual address; named like an edge
      director.start(`${process.execPath} ${STUB} e${at} 1935 8080 1936`);
      directors.push(director);
      start(at - 1);
    }
    ({ ask } = startClients(namespaces.add('client', '10.9.0.1/24')));
    await waitFor('one master', () => directors.filter(holds).length === 1);
    await waitFor('an answer', async () =>
      Object.keys(await ask('count', { host: VIP, port: 1935, count: 1 })).some((who) => /^e/.test(who)),
    );
  });
  after(async () => {
    await namespaces.close();
    rmSync(out, { recursive: true, force: true });
    printTable('fail-over in network namespaces', rows.splice(0));
  });

  /** Does something to the present master; the longest time without an answer at the virtual address. */
  async function failOver(what: (at: number) => void | Promise<void>): Promise<number> {
    const at = directors.findIndex(holds);
    await ask('probe', { host: VIP, port: 1935 });
    await delay(500);
    await what(at);
    await waitFor('the partner to take over', () => holds(directors[1 - at]));
    await delay(1_000);
    return (await ask<{ outageMs: number }>('probed')).outageMs;
  }

  it('a master that dies with its link is replaced', async () => {
    let dead = 0;
    const outageMs = await failOver(async (at) => {
      dead = at;
      directors[at]?.link('down');
      await end(running[at] as ChildProcess, 'SIGKILL');
    });
    rows.push({
      check: 'the master dies',
      passed: outageMs <= 800 * ALLOWANCE,
      measured: seconds(outageMs),
      target: '≤ 0.8 s',
      source: '1-2 s',
    });
    assert.ok(outageMs <= 800 * ALLOWANCE, `${outageMs} ms`);
    directors[dead]?.must(`ip address del ${VIP}/32 dev eth0 2>/dev/null || true`);
    directors[dead]?.link('up');
    start(dead);
    await delay(1_500);
    // it may have been the preferred one: it waits all the same
    assert.equal(holds(directors[dead]), false);
    assert.equal(directors.filter(holds).length, 1);
  });

  it('a master that is stopped hands over', async () => {
    const outageMs = await failOver(async (at) => end(running[at] as ChildProcess, 'SIGTERM'));
    rows.push({
      check: 'the master is stopped',
      passed: outageMs <= 300 * ALLOWANCE,
      measured: seconds(outageMs),
      target: '≤ 0.3 s',
    });
    assert.ok(outageMs <= 300 * ALLOWANCE, `${outageMs} ms`);
  });
});

const whyNoDns = await whyWithout(['pdns_server', 'dig']);
describe('name server with health checks', { skip: whyNoDns ?? false }, () => {
  const out = render('../../infra/topology.example.yaml');
  const FRA = '10.20.0.100';
  const AMS = '10.30.0.100';
  const namespaces = new Namespaces();
  let machine: Namespace;
  let groups: Record<string, ChildProcess>;
  const startGroup = (address: string) =>
    machine.start(`env HOST=${address} ${process.execPath} ${STUB} e1 1935 80 1936`);
  const answers = (name: string) =>
    machine.must(`dig +short +tries=1 +time=1 @10.20.0.41 ${name}.live.example.net A`).split('\n').filter(Boolean);

  before(async () => {
    machine = namespaces.add('dns');
    for (const address of ['10.20.0.41', FRA, AMS]) machine.must(`ip address add ${address}/32 dev lo`);
    groups = { [FRA]: startGroup(FRA), [AMS]: startGroup(AMS) };
    mkdirSync(join(out, 'run'), { recursive: true });
    machine.start(
      'sh -c "mkdir -p /run/pdns && chown pdns /run/pdns && exec pdns_server --daemon=no --guardian=no --disable-syslog --write-pid=no"',
      {
        mounts: [`${out}/fra-s1/files/etc/powerdns:/etc/powerdns`],
        log: join(out, 'pdns.log'),
      },
    );
    await waitFor('an answer', () => answers('fra').includes(FRA) && answers('rtmp').length > 0);
  });
  after(async () => {
    await namespaces.close();
    rmSync(out, { recursive: true, force: true });
    printTable('health checks of DNS', rows.splice(0));
  });

  it('answers with the groups by their weights 3 : 2', async () => {
    await waitFor('both groups', () => new Set(Array.from({ length: 10 }, () => answers('rtmp')[0])).size === 2);
    const given = Array.from({ length: 100 }, () => answers('rtmp')[0]);
    const share = given.filter((address) => address === FRA).length;
    assert.ok(share > 40 && share < 80, `${share} of 100 for weight 3 of 5`);
    rows.push({ check: 'weights 3 : 2', passed: true, measured: `${share} : ${100 - share}`, target: '60 : 40' });
  });

  it('drops a group that died, and sends its own name to the backup', async () => {
    const started = performance.now();
    await end(groups[FRA] as ChildProcess, 'SIGKILL');
    await waitFor('the backup', () => answers('fra').join() === AMS);
    const backupMs = performance.now() - started;
    await waitFor('the dead group gone', () =>
      Array.from({ length: 8 }, () => answers('rtmp')[0]).every((address) => address === AMS),
    );
    const goneMs = performance.now() - started;
    rows.push({
      check: 'a whole group dies: gone from the answers',
      passed: goneMs <= 1_500 * ALLOWANCE,
      measured: `${seconds(goneMs)}, backup ${seconds(backupMs)}`,
      target: '≤ 1.5 s + TTL',
      source: 'not detected at all',
    });
    assert.ok(goneMs <= 1_500 * ALLOWANCE && backupMs <= 1_500 * ALLOWANCE, `${goneMs} ms, backup ${backupMs} ms`);
  });

  it('answers with a group again that is back', async () => {
    const started = performance.now();
    groups[FRA] = startGroup(FRA);
    await waitFor('the group back', () => answers('fra').join() === FRA);
    const backMs = performance.now() - started;
    rows.push({ check: 'the group is back in the answers', passed: true, measured: seconds(backMs) });
    assert.ok(readFileSync(join(out, 'pdns.log'), 'utf8').length > 0);
  });
});
