/**
 * Reads any machine through node:os and `systeminformation`; used where there is no /proc. No iowait, steal, cached or
 * buffers there: those series are absent, not zero.
 */
import { cpus, freemem, networkInterfaces, totalmem } from 'node:os';
import type { CardCounters, CardDescription, CpuMode, HostReader, HostReading } from './host-reading.ts';

/** A reader of this machine. */
export function portableHostReader(): HostReader {
  return {
    async read() {
      const limit = totalmem();
      const free = freemem();
      return { cpuSeconds: cpuSeconds(), memory: { limit, free, used: limit - free }, cards: await cardCounters() };
    },
    async describeCards() {
      const { networkInterfaces: describe } = await import('systeminformation');
      const described = [await describe()].flat();
      const addresses = networkInterfaces();
      return described.map(
        ({ iface, mac, internal, virtual, speed }): CardDescription => ({
          name: iface,
          kind: internal ? 'loopback' : virtual ? 'virtual' : 'physical',
          mac,
          ip: (addresses[iface] ?? []).map(({ address }) => address),
          speedBitsPerSecond: typeof speed === 'number' && speed > 0 ? speed * 1e6 : undefined,
        }),
      );
    },
    async readFileSystems() {
      const { fsSize } = await import('systeminformation');
      const systems = await fsSize();
      return systems
        .filter(({ size }) => size > 0)
        .map(({ fs, mount, used, available }) => ({
          device: fs,
          mountpoint: mount,
          usedBytes: used,
          freeBytes: available,
        }));
    },
  };
}

const MODE_OF: Record<keyof ReturnType<typeof cpus>[number]['times'], CpuMode> = {
  user: 'user',
  nice: 'nice',
  sys: 'system',
  idle: 'idle',
  irq: 'interrupt',
};

function cpuSeconds(): HostReading['cpuSeconds'] {
  const seconds: Partial<Record<CpuMode, number>> = {};
  for (const { times } of cpus()) {
    for (const [key, mode] of Object.entries(MODE_OF)) {
      seconds[mode] = (seconds[mode] ?? 0) + times[key as keyof typeof times] / 1_000;
    }
  }
  return seconds;
}

async function cardCounters(): Promise<Record<string, CardCounters>> {
  const { networkStats } = await import('systeminformation');
  const stats = await networkStats('*');
  return Object.fromEntries(
    stats.map(({ iface, rx_bytes, tx_bytes, rx_dropped, tx_dropped }) => [
      iface,
      {
        receivedBytes: rx_bytes,
        transmittedBytes: tx_bytes,
        receivedDropped: rx_dropped,
        transmittedDropped: tx_dropped,
      },
    ]),
  );
}
