// The whole high availability of a site in one virtual machine, from rendered files: see vm/suite.ts for what is done.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadTopology } from '@weir/contracts/topology/load';
import { renderFolder } from '@weir/infra/render/folder';
import { writeSecrets } from '@weir/infra/render/secrets';
import { writeFolder } from '@weir/infra/render/write';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { printTable } from './table.ts';
import { bootGuest, type GuestRun, makeKernel } from './vm/boot.ts';
import type { Row } from './vm/results.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
/** Not under /tmp, which the guest has of its own; the kernel stays for the next run. */
const work = join(repository, 'node_modules', '.cache', 'weir-ha');
/** The guest's share of a busy host may be small; WEIR_HA_TIMEOUT_MS gives it longer. */
const TIMEOUT_MS = Number(process.env.WEIR_HA_TIMEOUT_MS ?? 300_000);

const why =
  (await whyWithout(['qemu-system-x86_64', 'keepalived', 'ipvsadm', 'nft', 'busybox', 'depmod', 'cpio', 'curl'])) ??
  makeKernel(join(work, 'kernel'));
if (why) process.stderr.write(`\n*** SKIPPED: test/ha in the virtual machine: ${why} ***\n\n`);

describe('directors, edges and port hiding in a virtual machine', { skip: why ?? false }, () => {
  const out = join(work, 'out');
  let run: GuestRun;
  let rows: Row[] = [];

  before(async () => {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    const { topology } = loadTopology(fileURLToPath(new URL('./topology.yaml', import.meta.url)));
    topology.software.path = repository;
    writeFolder(join(out, 'rendered'), renderFolder(topology));
    const onDirectors = { ...topology, hiding: { ...topology.hiding, method: 'director' as const } };
    writeFolder(join(out, 'rendered-director'), renderFolder(onDirectors));
    writeSecrets(topology, join(out, 'rendered', 'secrets.env'));
    writeSecrets(topology, join(out, 'rendered-director', 'secrets.env'));
    run = await bootGuest({ kernel: join(work, 'kernel'), suite: 'suite.js', out, timeoutMs: TIMEOUT_MS });
    const results = join(out, 'results.json');
    if (existsSync(results)) rows = JSON.parse(readFileSync(results, 'utf8')) as Row[];
    printTable(`high availability in a virtual machine (${Math.round(run.tookMs / 1_000)} s)`, rows);
  });
  after(() => rmSync(join(out, 'rendered', 'secrets.env'), { force: true }));

  it('ran to its end', () => {
    assert.equal(run.status, 0, `${run.log}\n${run.console}`);
    assert.ok(rows.length >= 12, run.log);
  });

  it('found everything as it should be', async (t) => {
    for (const row of rows) {
      await t.test(`${row.check}: ${row.measured}`, () => assert.ok(row.passed, row.detail ?? row.measured));
    }
  });
});
