/**
 * Reads a Linux machine from /proc and /sys itself: 0.2 ms a sample and no child process, where `systeminformation`
 * starts `df` and others and, like node:os, knows neither iowait nor steal (which tell an overcommitted virtual machine
 * from a busy one). Off Linux see portable.ts. After it: cards.ts and host-reporter.ts.
 */

import { readFileSync } from 'node:fs';
import { access, readdir, readFile, statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { CardCounters, CardDescription, CpuMode, FileSystem, HostReader, HostReading } from './host-reading.ts';

/** Ticks per second of /proc/stat; the kernel's interface to programs fixes it (USER_HZ). */
const USER_HZ = 100;

/** Columns of the line `cpu` (proc(5)); guest time is part of user and nice already. */
const STAT_COLUMNS: readonly CpuMode[] = [
  'user',
  'nice',
  'system',
  'idle',
  'iowait',
  'interrupt',
  'interrupt',
  'steal',
];

/** File systems that are full by design: images mounted read-only. */
const IMAGE_TYPES = new Set(['squashfs', 'erofs', 'iso9660', 'udf', 'cramfs']);

/** Not listed as block-device file systems by the kernel although they are kept on disks. */
const EXTRA_DISK_TYPES = ['zfs', 'bcachefs'];

/** A reader of this machine; `root` stands before /proc and /sys in tests. */
export function linuxHostReader(root = '/'): HostReader {
  const text = (path: string) => readFileSync(join(root, path), 'utf8');
  return {
    read: () => ({
      cpuSeconds: parseStat(text('proc/stat')),
      memory: parseMeminfo(text('proc/meminfo')),
      cards: parseNetDev(text('proc/net/dev')),
    }),
    describeCards: () => describeCards(join(root, 'sys/class/net')),
    readFileSystems: () => readFileSystems(text('proc/self/mounts'), text('proc/filesystems')),
  };
}

/** CPU seconds by mode from /proc/stat. */
export function parseStat(content: string): HostReading['cpuSeconds'] {
  const line = content.slice(0, content.indexOf('\n')).trim().split(/\s+/).slice(1);
  const seconds: Partial<Record<CpuMode, number>> = {};
  for (const [column, mode] of STAT_COLUMNS.entries()) {
    const ticks = Number(line[column]);
    if (Number.isFinite(ticks)) seconds[mode] = (seconds[mode] ?? 0) + ticks / USER_HZ;
  }
  return seconds;
}

/** Memory from /proc/meminfo as `free` shows it: cached includes reclaimable slabs, shared memory counts as used. */
export function parseMeminfo(content: string): HostReading['memory'] {
  const bytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(content)?.[1] ?? 0) * 1_024;
  const limit = bytes('MemTotal');
  const free = bytes('MemFree');
  const buffers = bytes('Buffers');
  const cached = Math.max(0, bytes('Cached') + bytes('SReclaimable') - bytes('Shmem'));
  return { limit, free, buffers, cached, used: Math.max(0, limit - free - buffers - cached) };
}

/** Counters of every card from /proc/net/dev. */
export function parseNetDev(content: string): Record<string, CardCounters> {
  const cards: Record<string, CardCounters> = {};
  for (const line of content.split('\n').slice(2)) {
    const colon = line.lastIndexOf(':');
    if (colon < 0) continue;
    const numbers = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const at = (column: number) => numbers[column] ?? 0;
    cards[line.slice(0, colon).trim()] = {
      receivedBytes: at(0),
      receivedDropped: at(3),
      transmittedBytes: at(8),
      transmittedDropped: at(11),
    };
  }
  return cards;
}

/** Mount points worth reporting from /proc/self/mounts: one per disk-backed device, and `/` whatever it is on. */
export function parseMounts(mounts: string, filesystems: string): { device: string; mountpoint: string }[] {
  const diskTypes = new Set(EXTRA_DISK_TYPES);
  for (const line of filesystems.split('\n')) {
    const [flag, type] = line.split('\t');
    if (flag === '' && type && !IMAGE_TYPES.has(type)) diskTypes.add(type);
  }
  const byDevice = new Map<string, string>();
  for (const line of mounts.split('\n')) {
    const [device, mountpoint, type] = line.split(' ').map(unescapeMount);
    if (!device || !mountpoint || !type || (!diskTypes.has(type) && mountpoint !== '/')) continue;
    const known = byDevice.get(device);
    if (known === undefined || mountpoint.length < known.length) byDevice.set(device, mountpoint);
  }
  return Array.from(byDevice, ([device, mountpoint]) => ({ device, mountpoint }));
}

/** Spaces and the like are octal escapes in /proc/self/mounts. */
function unescapeMount(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

async function readFileSystems(mounts: string, filesystems: string): Promise<FileSystem[]> {
  const found: FileSystem[] = [];
  for (const { device, mountpoint } of parseMounts(mounts, filesystems)) {
    try {
      const { blocks, bfree, bavail, bsize } = await statfs(mountpoint);
      if (blocks > 0)
        found.push({ device, mountpoint, usedBytes: (blocks - bfree) * bsize, freeBytes: bavail * bsize });
    } catch {
      // unmounted meanwhile, or not ours to see: not reported
    }
  }
  return found;
}

async function describeCards(net: string): Promise<CardDescription[]> {
  const addresses = networkInterfaces();
  const names = (await readdir(net)).sort();
  return Promise.all(
    names.map(async (name) => {
      const mac = (await readOr(join(net, name, 'address'), '')).trim();
      const ip = (addresses[name] ?? []).map(({ address }) => address);
      return {
        name,
        kind: await cardKind(net, name),
        mac,
        ip,
        speedBitsPerSecond: await cardSpeed(join(net, name, 'speed')),
      };
    }),
  );
}

/** A card with hardware (or a hypervisor's) behind it has a link `device`; bridges hold a folder `bridge`. */
async function cardKind(net: string, name: string): Promise<CardDescription['kind']> {
  if (name === 'lo') return 'loopback';
  if (await exists(join(net, name, 'device'))) return 'physical';
  return (await exists(join(net, name, 'bridge'))) ? 'bridge' : 'virtual';
}

/** Mbit/s in the file; -1 or an error when the kernel does not know or the link is down. */
async function cardSpeed(path: string): Promise<number | undefined> {
  const megabits = Number(await readOr(path, '-1'));
  return megabits > 0 ? megabits * 1e6 : undefined;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function readOr(path: string, fallback: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => fallback);
}
