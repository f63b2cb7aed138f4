/** What the machine consists of (M1), asked once at start; it travels as resource attributes. */
import { readFileSync } from 'node:fs';
import { cpus, machine, platform, release, totalmem, version } from 'node:os';
import type { NetworkCard } from '@weir/contracts/resource';

export interface Inventory {
  /** OpenTelemetry's names: amd64, arm64 … */
  arch: string;
  /** OpenTelemetry's names: linux, darwin, windows … */
  osType: string;
  /** As a person would say it: `Debian GNU/Linux 12 (bookworm)`. */
  osDescription: string;
  osVersion: string;
  kernel: string;
  /** One per physical processor. */
  cpuModels: string[];
  cpuLogicalCount: number;
  memoryBytes: number;
  cards: NetworkCard[];
}

const ARCHES: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', i686: 'x86', armv7l: 'arm32' };

/** The inventory of this machine, `cards` being those that count. */
export function readInventory(cards: NetworkCard[]): Inventory {
  const os = parseOsRelease(readOr('/etc/os-release', ''));
  const system: string = platform();
  return {
    arch: ARCHES[machine()] ?? machine(),
    osType: system === 'win32' ? 'windows' : system,
    osDescription: os.PRETTY_NAME ?? version(),
    osVersion: os.VERSION_ID ?? release(),
    kernel: release(),
    cpuModels: cpuModels(),
    cpuLogicalCount: cpus().length,
    memoryBytes: totalmem(),
    cards,
  };
}

/** Keys and values of os-release(5). */
export function parseOsRelease(content: string): Record<string, string> {
  const pairs = content.matchAll(/^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/gm);
  return Object.fromEntries(
    Array.from(pairs, ([, key, double, single, bare]) => [key, double ?? single ?? bare ?? '']),
  );
}

/** One model per physical processor from /proc/cpuinfo content; empty when it does not tell processors apart. */
export function parseCpuModels(cpuinfo: string): string[] {
  const models = new Map<string, string>();
  for (const block of cpuinfo.split('\n\n')) {
    const socket = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
    const model = /^model name\s*:\s*(.+)$/m.exec(block)?.[1];
    if (socket !== undefined && model !== undefined) models.set(socket, model.trim());
  }
  return Array.from(models.values());
}

function cpuModels(): string[] {
  const found = parseCpuModels(readOr('/proc/cpuinfo', ''));
  return found.length > 0 ? found : Array.from(new Set(cpus().map(({ model }) => model.trim())));
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}
