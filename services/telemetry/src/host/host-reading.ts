/** What a machine is asked for at one moment; how differs by system (linux.ts, portable.ts). */

/** CPU modes by OpenTelemetry's names (`cpu.mode`). */
export type CpuMode = 'user' | 'system' | 'nice' | 'idle' | 'iowait' | 'interrupt' | 'steal';

/** Totals of one network card since it came up. */
export interface CardCounters {
  receivedBytes: number;
  transmittedBytes: number;
  receivedDropped: number;
  transmittedDropped: number;
}

/** The machine at one moment. */
export interface HostReading {
  /** CPU seconds since boot over all logical processors; only modes the system knows. */
  cpuSeconds: Partial<Record<CpuMode, number>>;
  /** Bytes; `used` is what can't be reclaimed. Only states the system knows; they add up to `limit`. */
  memory: { limit: number; used: number; free: number; cached?: number; buffers?: number };
  /** Every network card by name, counted or not. */
  cards: Record<string, CardCounters>;
}

/** A card as the system describes it. */
export interface CardDescription {
  name: string;
  kind: 'physical' | 'virtual' | 'bridge' | 'loopback';
  mac: string;
  ip: string[];
  /** As the kernel says; undefined when it does not know. */
  speedBitsPerSecond: number | undefined;
}

/** A mounted file system, bytes. `used + free` is less than its size when some is kept for root. */
export interface FileSystem {
  device: string;
  mountpoint: string;
  usedBytes: number;
  freeBytes: number;
}

/** Reads the machine it runs on. */
export interface HostReader {
  /** Cheap: called every sample. */
  read(): HostReading | Promise<HostReading>;
  /** Slower: asked at start and now and then. */
  describeCards(): Promise<CardDescription[]>;
  /** Slower; real file systems only, network file systems (which may hang) never. */
  readFileSystems(): Promise<FileSystem[]>;
}
