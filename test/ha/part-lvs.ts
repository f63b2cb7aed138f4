// The whole high availability of a site in one virtual machine, from rendered files: see vm/suite.ts for what is done.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { printTable } from './table.ts';
import type { GuestRun } from './vm/boot.ts';
import type { Row } from './vm/results.ts';
import { isStarved, runSuite, tellStarved, whyNoGuest } from './vm/run-suite.ts';

const why = await whyNoGuest();

describe('directors, edges and port hiding in a virtual machine', { skip: why ?? false }, () => {
  let run: GuestRun;
  let rows: Row[] = [];

  before(async () => {
    ({ run, rows } = await runSuite({
      suite: 'suite',
      renderings: {
        rendered: (topology) => topology,
        'rendered-director': (topology) => ({ ...topology, hiding: { ...topology.hiding, method: 'director' } }),
      },
    }));
    printTable(`high availability in a virtual machine (${Math.round(run.tookMs / 1_000)} s)`, rows);
  });

  it('ran to its end', (t) => {
    if (isStarved(run)) return t.skip(tellStarved('directors, edges and port hiding', run));
    assert.equal(run.status, 0, `${run.log}\n${run.console}`);
    assert.ok(rows.length >= 12, run.log);
  });

  it('found everything as it should be', async (t) => {
    for (const row of rows) {
      await t.test(`${row.check}: ${row.measured}`, () => assert.ok(row.passed, row.detail ?? row.measured));
    }
  });
});
