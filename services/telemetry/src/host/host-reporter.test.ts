/** One reporter per machine, and what is handed over when it dies. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { createLogger } from '@weir/contracts/logger';
import { type HostReporter, type HostReporterOptions, startHostReporter } from './host-reporter.ts';
import { linuxHostReader } from './linux.ts';

/** A machine made of files, as the kernel would show it. */
class Machine {
  readonly root = mkdtempSync(join(tmpdir(), 'weir-machine-'));

  constructor() {
    for (const dir of ['proc/net', 'proc/self', 'sys/class/net/eth0/device'])
      mkdirSync(join(this.root, dir), { recursive: true });
    writeFileSync(join(this.root, 'sys/class/net/eth0/speed'), '10000\n');
    writeFileSync(join(this.root, 'proc/meminfo'), 'MemTotal: 4 kB\nMemFree: 1 kB\n');
    writeFileSync(join(this.root, 'proc/self/mounts'), '');
    writeFileSync(join(this.root, 'proc/filesystems'), '');
    this.cpu({});
    this.eth0(0);
  }

  cpu({ user = 0, idle = 0, iowait = 0 }): void {
    writeFileSync(join(this.root, 'proc/stat'), `cpu  ${user} 0 0 ${idle} ${iowait} 0 0 0 0 0\n`);
  }

  /** Received bytes; undefined = the card is gone. */
  eth0(bytes: number | undefined): void {
    const line = bytes === undefined ? '' : `  eth0: ${bytes} 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n`;
    writeFileSync(join(this.root, 'proc/net/dev'), `Inter-|\n face |\n${line}`);
  }
}

describe('the host reporter', () => {
  let machine: Machine;
  let stateDir: string;
  let reporters: HostReporter[];
  beforeEach(() => {
    machine = new Machine();
    stateDir = mkdtempSync(join(tmpdir(), 'weir-state-'));
    reporters = [];
  });
  afterEach(() => {
    for (const reporter of reporters) reporter.close();
    for (const dir of [machine.root, stateDir]) rmSync(dir, { recursive: true, force: true });
  });

  async function start(options: Partial<HostReporterOptions> = {}): Promise<HostReporter> {
    const reporter = await startHostReporter({
      reader: linuxHostReader(machine.root),
      stateDir,
      cluster: 'weir',
      configuredCards: new Map(),
      intervalMs: 5_000,
      takeClockOffset: () => undefined,
      logger: createLogger('test', 'silent'),
      bootId: 'boot-1',
      ...options,
    });
    reporters.push(reporter);
    return reporter;
  }

  /** Figures of one sample by metric and attributes. */
  async function sample(reporter: HostReporter): Promise<Map<string, number>> {
    const figures = new Map<string, number>();
    await reporter.sample(
      (name, value, attributes = {}) => figures.set([name, ...Object.values(attributes)].join(' '), value),
      {
        stampMs: Date.now(),
        elapsedMs: 5_000,
      },
    );
    return figures;
  }
  const received = 'system.network.io eth0 receive';

  it('adds nothing that was counted before it started', async () => {
    machine.eth0(1_000_000_000);
    machine.cpu({ user: 100_000, idle: 900_000 });
    const reporter = await start();
    machine.eth0(1_000_000_500);
    machine.cpu({ user: 100_100, idle: 900_250, iowait: 50 });
    const figures = await sample(reporter);
    assert.equal(figures.get(received), 500);
    assert.equal(figures.get('system.cpu.time user'), 1);
    assert.equal(figures.get('system.cpu.utilization user'), 0.25);
    assert.equal(figures.get('system.cpu.utilization used'), 0.25, 'neither idle nor iowait is use');
    assert.equal(figures.get('system.network.speed eth0'), 10e9);
  });

  it('never goes backwards: a card that was reset or away is a new baseline', async () => {
    machine.eth0(1_000);
    const reporter = await start();
    const told: (number | undefined)[] = [];
    for (const bytes of [1_100, 40, 90, undefined, 5_000, 5_001]) {
      machine.eth0(bytes);
      told.push((await sample(reporter)).get(received));
    }
    assert.deepEqual(told, [100, 0, 50, undefined, 0, 1]);
  });

  it('is one per machine and cluster; the next goes on from the last counters when it ends', async () => {
    const first = await start();
    const second = await start();
    const other = await start({ cluster: 'other' });
    assert.deepEqual(
      [first, second, other].map(({ isReporter }) => isReporter),
      [true, false, true],
    );
    machine.eth0(100);
    assert.equal((await sample(first)).get(received), 100);
    assert.equal((await sample(second)).size, 0);
    machine.eth0(250);
    first.close();
    machine.eth0(300);
    assert.equal((await sample(second)).get(received), 200, 'also what came between the two');
    assert.equal(second.isReporter, true);
  });

  it('starts afresh after a boot and when the last counters are old', async () => {
    mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
    try {
      machine.eth0(100);
      const first = await start();
      await sample(first);
      first.close();
      machine.eth0(900);
      mock.timers.tick(15_000);
      const heir = await start();
      machine.eth0(910);
      assert.equal((await sample(heir)).get(received), 810, 'three intervals: a hand-over');
      heir.close();
      machine.eth0(2_000);
      const rebooted = await start({ bootId: 'boot-2' });
      machine.eth0(2_001);
      assert.equal((await sample(rebooted)).get(received), 1);
      rebooted.close();
      mock.timers.tick(15_001);
      machine.eth0(9_000);
      const late = await start({ bootId: 'boot-2' });
      machine.eth0(9_002);
      assert.equal((await sample(late)).get(received), 2);
    } finally {
      mock.timers.reset();
    }
  });

  it('says which folder it cannot use', async () => {
    writeFileSync(join(stateDir, 'file'), '');
    await assert.rejects(start({ stateDir: join(stateDir, 'file') }), {
      code: 'MACHINE_STATE_DIR',
      message: /machine\.stateDir/,
    });
  });
});
