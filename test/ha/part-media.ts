// Real edges, origins and directors in one virtual machine with ffmpeg and viewers: see vm/media-suite.ts for what is done.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { printTable } from './table.ts';
import type { GuestRun } from './vm/boot.ts';
import type { Row } from './vm/results.ts';
import { BUNDLED, bundle, isStarved, runSuite, tellStarved, whyNoGuest } from './vm/run-suite.ts';

const why = (await whyNoGuest()) ?? (await whyWithout(['nats-server'])) ?? withoutFfmpeg();
function withoutFfmpeg(): string | undefined {
  if (spawnSync('ffmpeg', ['-version']).status === 0) return undefined;
  process.stderr.write('\n*** SKIPPED: media in the virtual machine: there is no ffmpeg ***\n\n');
  return 'there is no ffmpeg';
}

describe('real edges behind directors in a virtual machine, under ffmpeg', { skip: why ?? false }, () => {
  let run: GuestRun;
  let rows: Row[] = [];

  before(async () => {
    ({ run, rows } = await runSuite({
      suite: 'media-suite',
      renderings: {
        rendered: (topology) => ({
          ...topology,
          software: { ...topology.software, path: BUNDLED },
          telemetry: { ...topology.telemetry, intervalMs: 2_000 },
          // twenty-four checks a second would take a third of the guest's core
          health: { ...topology.health, intervalSeconds: 1 },
        }),
      },
      prepare,
      shift: 1,
      memoryMb: 3_072,
    }));
    printTable(`real edges and media in a virtual machine (${Math.round(run.tookMs / 1_000)} s)`, rows);
  });

  it('ran to its end', (t) => {
    if (isStarved(run)) return t.skip(tellStarved('real edges and media', run));
    assert.equal(run.status, 0, `${run.log}\n${run.console}`);
    assert.ok(rows.length >= 6, run.log);
  });

  it('found everything as it should be', async (t) => {
    for (const row of rows) {
      await t.test(`${row.check}: ${row.measured}`, () => assert.ok(row.passed, row.detail ?? row.measured));
    }
  });
});

/** A clip that the guest's core can bear, and the programs that run there. */
async function prepare(out: string): Promise<void> {
  const picture = ['-f', 'lavfi', '-i', 'testsrc=size=320x180:rate=10', '-t', '10', '-pix_fmt', 'yuv420p'];
  const rate = [
    '-b:v',
    '200k',
    '-minrate',
    '200k',
    '-maxrate',
    '200k',
    '-bufsize',
    '40k',
    '-x264-params',
    'nal-hrd=cbr',
  ];
  const coding = ['-c:v', 'libx264', '-g', '10', '-bf', '0', ...rate, '-f', 'flv', join(out, 'clip.flv')];
  const made = spawnSync('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...picture, ...coding], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  writeFileSync(
    join(out, 'ahead.yaml'),
    `node: { name: ahead, workers: 1, dataDir: /mnt/ahead }\nmachine: { stateDir: /mnt/ahead }\nrelay: { keys: [ahead], port: 0 }
rtmp: { port: 0 }\nhttp: { port: 0 }\nnats: { servers: ['nats://127.0.0.1:9'] }\nlog: { level: silent }\n`,
  );
  const client = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  await bundle(
    out,
    { 'media-client': client('./vm/media-client.ts'), 'telemetry-reader': client('./ns/telemetry-reader.ts') },
    [
      // a part that is told to end writes down what was compiled of it
      'timeout 6 $WEIR edge --config /mnt/ahead.yaml || true',
      'timeout 6 $WEIR agent --config /mnt/ahead.yaml || true',
      '$WEIR drain ahead --nats-servers nats://127.0.0.1:9 2>/dev/null || true',
      `$NODE ${BUNDLED}/services/cli/src/media-client.js </dev/null`,
    ],
  );
}
