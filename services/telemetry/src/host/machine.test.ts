/** The inventory of this very machine. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { countedCards, parseConfiguredCards } from './cards.ts';
import type { CardDescription } from './host-reading.ts';
import { parseCpuModels, parseOsRelease } from './inventory.ts';
import { readMachineId } from './machine-id.ts';

const card = (name: string, kind: CardDescription['kind'], ip: string[] = [], speed?: number): CardDescription => ({
  name,
  kind,
  mac: '02:00:00:00:00:01',
  ip,
  speedBitsPerSecond: speed,
});
const names = (cards: CardDescription[], configured: string[] = []) =>
  countedCards(cards, parseConfiguredCards(configured)).map(({ name }) => name);

describe('network cards', () => {
  it('with hardware count; what is built on top of them or beside them does not', () => {
    const cards = [
      card('lo', 'loopback', ['127.0.0.1']),
      card('eth0', 'physical'),
      card('eth1', 'physical'),
      card('bond0', 'virtual', ['192.0.2.1']),
      card('docker0', 'bridge', ['172.17.0.1']),
      card('veth1a2b', 'virtual', ['fe80::1']),
    ];
    assert.deepEqual(names(cards), ['eth0', 'eth1']);
    assert.deepEqual(
      names(cards, ['bond0=2000000000']),
      ['eth0', 'eth1', 'bond0'],
      'one that is configured counts too',
    );
  });

  it('of a container count when they have an address, bridges not; loopback when nothing else is there', () => {
    const container = [
      card('lo', 'loopback'),
      card('eth0', 'virtual', ['172.17.0.2']),
      card('veth9', 'virtual', ['fe80::9']),
      card('br-1', 'bridge', ['172.18.0.1']),
    ];
    assert.deepEqual(names(container), ['eth0']);
    assert.deepEqual(names([card('lo', 'loopback'), card('dummy0', 'virtual')]), ['lo']);
  });

  it('have the kernel’s speed, else the configured one, else none', () => {
    const configured = parseConfiguredCards(['eth0=100', 'eth1=1000000000']);
    const speeds = countedCards(
      [card('eth0', 'physical', [], 25e9), card('eth1', 'physical'), card('eth2', 'physical')],
      configured,
    );
    assert.deepEqual(
      speeds.map(({ speedBitsPerSecond }) => speedBitsPerSecond),
      [25e9, 1e9, 0],
    );
  });

  it('are refused by name when configured wrongly', () => {
    for (const entry of ['eth0', 'eth0=fast', 'eth0=1 Gbit', '=5']) {
      assert.throws(() => parseConfiguredCards([entry]), {
        code: 'CONFIG_INVALID',
        message: /machine\.cards.*name=bits per second/,
      });
    }
  });
});

describe('the machine id', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'weir-machine-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is the configured one, else the system’s', () => {
    const file = join(dir, 'machine-id');
    writeFileSync(file, '3d1219c7c4c5404aaa1f6d2a48adfda4\n');
    assert.equal(readMachineId({ id: 'rack-7', stateDir: dir }, [file]), 'rack-7');
    assert.equal(readMachineId({ id: '', stateDir: dir }, ['/nowhere', file]), '3d1219c7c4c5404aaa1f6d2a48adfda4');
  });

  it('is generated once and kept when the system has none', () => {
    const empty = join(dir, 'empty');
    writeFileSync(empty, 'uninitialized\n');
    const stateDir = join(dir, 'state');
    const id = readMachineId({ id: '', stateDir }, [empty]);
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.equal(readMachineId({ id: '', stateDir }, []), id);
    assert.deepEqual(readdirSync(stateDir), ['machine-id'], 'nothing else is left behind');
  });

  it('says which folder it cannot be kept in', () => {
    writeFileSync(join(dir, 'file'), '');
    assert.throws(() => readMachineId({ id: '', stateDir: join(dir, 'file', 'state') }, []), {
      code: 'MACHINE_STATE_DIR',
      message: /file\/state.*machine\.stateDir/,
    });
  });

  it('is not taken from a file that holds none', () => {
    mkdirSync(join(dir, 'state'));
    writeFileSync(join(dir, 'state', 'machine-id'), '');
    assert.throws(() => readMachineId({ id: '', stateDir: join(dir, 'state') }, []), { code: 'MACHINE_STATE_DIR' });
  });
});

describe('the inventory', () => {
  it('names each physical processor once', () => {
    const core = (socket: number, model: string) =>
      `processor\t: 0\nmodel name\t: ${model}\nphysical id\t: ${socket}\n`;
    assert.deepEqual(parseCpuModels([core(0, 'Xeon A'), core(0, 'Xeon A'), core(1, 'Xeon B')].join('\n')), [
      'Xeon A',
      'Xeon B',
    ]);
    assert.deepEqual(parseCpuModels('processor : 0\nBogoMIPS : 50.00\n'), []);
  });

  it('reads os-release with and without quotes', () => {
    const release = parseOsRelease(`PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID='12'\n`);
    assert.deepEqual(release, { PRETTY_NAME: 'Debian GNU/Linux 12 (bookworm)', ID: 'debian', VERSION_ID: '12' });
  });
});
