/** Figures read out of /proc and /sys, from recorded files. */
import assert from 'node:assert/strict';
import { cpus, totalmem } from 'node:os';
import { describe, it } from 'node:test';
import { linuxHostReader, parseMeminfo, parseMounts, parseNetDev, parseStat } from './linux.ts';
import { portableHostReader } from './portable.ts';

describe('/proc', () => {
  it('gives CPU seconds by mode, iowait and steal included, guest time not twice', () => {
    const seconds = parseStat('cpu  29647 10 8898 392940 2864 5 150 71 600 7\ncpu0 1 2 3 4\n');
    assert.deepEqual(seconds, {
      user: 296.47,
      nice: 0.1,
      system: 88.98,
      idle: 3_929.4,
      iowait: 28.64,
      interrupt: 1.55,
      steal: 0.71,
    });
  });

  it('gives memory whose states add up to the whole', () => {
    const memory = parseMeminfo(
      'MemTotal: 1000 kB\nMemFree: 300 kB\nBuffers: 20 kB\nCached: 200 kB\nSwapCached: 9 kB\nShmem: 50 kB\nSReclaimable: 30 kB\n',
    );
    assert.deepEqual(memory, {
      limit: 1_024_000,
      free: 307_200,
      buffers: 20_480,
      cached: 184_320,
      used: 512_000,
    });
  });

  it('gives bytes and drops of each card, also of aliases', () => {
    const cards = parseNetDev(
      'Inter-|   Receive\n face |bytes\n    lo:  31 1 0 0 0 0 0 0 32 1 0 0 0 0 0 0\n eth0:0: 5 1 0 2 0 0 0 0 7 1 0 3 0 0 0 0\n',
    );
    assert.deepEqual(cards, {
      lo: { receivedBytes: 31, receivedDropped: 0, transmittedBytes: 32, transmittedDropped: 0 },
      'eth0:0': { receivedBytes: 5, receivedDropped: 2, transmittedBytes: 7, transmittedDropped: 3 },
    });
  });

  it('gives each disk once, at its shortest mount point, and neither memory, network nor image file systems', () => {
    const filesystems = 'nodev\ttmpfs\nnodev\tnfs4\n\text4\n\tsquashfs\n\txfs\n';
    const mounts = [
      '/dev/sda1 /var/lib/docker ext4 rw 0 0',
      '/dev/sda1 / ext4 rw 0 0',
      '/dev/sdb1 /srv/my\\040media xfs rw 0 0',
      'tmpfs /run tmpfs rw 0 0',
      '/dev/loop0 /snap/core squashfs ro 0 0',
      'server:/x /mnt nfs4 rw 0 0',
    ].join('\n');
    assert.deepEqual(parseMounts(mounts, filesystems), [
      { device: '/dev/sda1', mountpoint: '/' },
      { device: '/dev/sdb1', mountpoint: '/srv/my media' },
    ]);
  });

  it('gives the root of a container, whatever it is on', () => {
    assert.deepEqual(parseMounts('overlay / overlay rw 0 0\nproc /proc proc rw 0 0\n', ''), [
      { device: 'overlay', mountpoint: '/' },
    ]);
  });
});

describe('host readers', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
  it('agree on this machine, whether they read /proc or ask the portable way', async () => {
    const [linux, portable] = [await linuxHostReader().read(), await portableHostReader().read()];
    assert.equal(linux.memory.limit, totalmem());
    assert.equal(portable.memory.limit, totalmem());
    const seconds = (reading: typeof linux) => (reading.cpuSeconds.user ?? 0) + (reading.cpuSeconds.system ?? 0);
    assert.ok(Math.abs(seconds(linux) - seconds(portable)) < 5 * cpus().length, 'user and system time');
    for (const [name, card] of Object.entries(portable.cards)) {
      const same = linux.cards[name];
      assert.ok(same && card.receivedBytes >= same.receivedBytes, name);
    }
    const describe = async (reader: ReturnType<typeof linuxHostReader>) =>
      (await reader.describeCards())
        .filter(({ ip }) => ip.length > 0)
        .map(({ name, mac }) => `${name} ${mac}`)
        .sort();
    assert.deepEqual(await describe(portableHostReader()), await describe(linuxHostReader()));
    const root = (await linuxHostReader().readFileSystems()).find(({ mountpoint }) => mountpoint === '/');
    assert.ok(root && root.usedBytes > 0);
  });
});
