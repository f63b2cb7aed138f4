/**
 * The figures of the machine, told by one node however many run on it: whoever holds the lock in `machine.stateDir`.
 * When it dies the kernel frees the lock and another node goes on at its next sample, from the counters the last one
 * left beside the lock. They are written before the sample is exported, so that a kill in between loses one sample of
 * traffic at most and nothing is ever counted twice. Before it: linux.ts or portable.ts; after it: the instruments.
 */
import { closeSync, constants, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type ExclusiveLock, tryExclusiveLock } from '@weir/contracts/exclusive-lock';
import type { Logger } from '@weir/contracts/logger';
import type { NetworkCard } from '@weir/contracts/resource';
import { readBootId } from '../boot-id.ts';
import type { Measure, MetricSource, SampleMoment } from '../measurement.ts';
import { type ConfiguredCards, countedCards } from './cards.ts';
import type { HostReader, HostReading } from './host-reading.ts';
import { stateDirError } from './machine-id.ts';

/** What a {@link HostReporter} needs. */
export interface HostReporterOptions {
  reader: HostReader;
  /** Folder shared by all nodes of the machine. */
  stateDir: string;
  /** Nodes of different clusters on one machine report it each to their own. */
  cluster: string;
  configuredCards: ConfiguredCards;
  intervalMs: number;
  /** The clock's newest offset in seconds if there is one since the last call. */
  takeClockOffset: () => number | undefined;
  logger: Logger;
  /** Present boot; default: the system's. */
  bootId?: string;
}

/** The machine as a source; silent while another node reports. */
export interface HostReporter extends MetricSource {
  /** True when this node reports the machine. */
  readonly isReporter: boolean;
  /** Hands over to the next node. */
  close(): void;
}

/** File systems and cards are looked at so often. */
const SLOW_INTERVAL_MS = 30_000;

/** A hand-over goes on from the last counters when they are no older than so many intervals. */
const HAND_OVER_INTERVALS = 3;

/** Counters that the next sample's increases are measured from. */
type Baseline = Pick<HostReading, 'cpuSeconds' | 'cards'>;

interface SavedBaseline extends Baseline {
  bootId: string;
  /** Unix time, ms. */
  atMs: number;
}

/**
 * Stands for election at once, so that the first sample has increases.
 * @throws ConfigError `MACHINE_STATE_DIR` when the folder cannot be used.
 */
export async function startHostReporter(options: HostReporterOptions): Promise<HostReporter> {
  const reporter = new LockedHostReporter(options);
  await reporter.stand();
  return reporter;
}

class LockedHostReporter implements HostReporter {
  readonly #options: HostReporterOptions;
  readonly #bootId: string;
  readonly #lockPath: string;
  readonly #countersPath: string;
  #file: number | undefined;
  #savedLength = 0;
  #lock: ExclusiveLock | undefined;
  #isClosed = false;
  #last: Baseline = { cpuSeconds: {}, cards: {} };
  #cards: NetworkCard[] = [];
  #slowAt = Number.NEGATIVE_INFINITY;

  constructor(options: HostReporterOptions) {
    this.#options = options;
    this.#bootId = options.bootId ?? readBootId();
    this.#lockPath = join(options.stateDir, `host-reporter-${options.cluster}.lock`);
    this.#countersPath = join(options.stateDir, `host-reporter-${options.cluster}.json`);
  }

  get isReporter(): boolean {
    return this.#lock !== undefined;
  }

  /** Takes the lock if it is free, and the counters to go on from. */
  async stand(): Promise<void> {
    if (this.#lock || this.#isClosed) return;
    try {
      this.#lock = tryExclusiveLock(this.#lockPath);
    } catch (error) {
      throw stateDirError(this.#options.stateDir, error);
    }
    if (!this.#lock) return;
    const handedOver = this.#handedOver();
    this.#last = handedOver ?? (await this.#options.reader.read());
    this.#options.logger.info({ isHandOver: handedOver !== undefined }, 'this node reports the machine');
  }

  async sample(measure: Measure, moment: SampleMoment): Promise<void> {
    await this.stand();
    if (!this.#lock) return;
    const { reader, takeClockOffset } = this.#options;
    const reading = await reader.read();
    const last = this.#last;
    this.#last = reading;
    this.#save(reading);
    if (moment.stampMs >= this.#slowAt + SLOW_INTERVAL_MS || moment.stampMs < this.#slowAt) {
      this.#slowAt = moment.stampMs;
      this.#cards = countedCards(await reader.describeCards(), this.#options.configuredCards);
      await measureFileSystems(reader, measure);
    }
    measureCpu(last.cpuSeconds, reading.cpuSeconds, measure);
    measureMemory(reading.memory, measure);
    measureCards(this.#cards, last.cards, reading.cards, measure);
    const offset = takeClockOffset();
    if (offset !== undefined) measure('system.clock.offset', offset);
  }

  close(): void {
    this.#isClosed = true;
    this.#closeFile();
    this.#lock?.release();
    this.#lock = undefined;
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /**
   * Overwrites the counters in place by one write, which a kill cannot tear. (Writing anew and renaming makes ext4 wait
   * for the disk: 0.7 ms here, more on real ones, and media waits with it.)
   */
  #save({ cpuSeconds, cards }: HostReading): void {
    const saved: SavedBaseline = { bootId: this.#bootId, atMs: Date.now(), cpuSeconds, cards };
    const content = Buffer.from(JSON.stringify(saved).padEnd(this.#savedLength));
    this.#savedLength = content.length;
    try {
      this.#file ??= openSync(this.#countersPath, constants.O_RDWR | constants.O_CREAT);
      writeSync(this.#file, content, 0, content.length, 0);
    } catch {
      // old counters left behind would be counted twice; without any the next reporter starts afresh
      rmSync(this.#countersPath, { force: true });
      this.#closeFile();
    }
  }

  #handedOver(): Baseline | undefined {
    try {
      const content = readFileSync(this.#countersPath, 'utf8');
      this.#savedLength = content.length;
      const saved = JSON.parse(content) as SavedBaseline;
      const ageMs = Date.now() - saved.atMs;
      const isFresh = ageMs >= 0 && ageMs <= HAND_OVER_INTERVALS * this.#options.intervalMs;
      return saved.bootId === this.#bootId && isFresh ? saved : undefined;
    } catch {
      return undefined;
    }
  }
}

function measureCpu(last: HostReading['cpuSeconds'], now: HostReading['cpuSeconds'], measure: Measure): void {
  const modes = Object.keys(now) as (keyof typeof now)[];
  const spent = modes.map((mode) => increase(last[mode], now[mode]));
  const total = spent.reduce((sum, seconds) => sum + seconds, 0);
  let unused = 0;
  for (const [index, mode] of modes.entries()) {
    const seconds = spent[index] ?? 0;
    measure('system.cpu.time', seconds, { 'cpu.mode': mode });
    if (total > 0) measure('system.cpu.utilization', seconds / total, { 'cpu.mode': mode });
    if (mode === 'idle' || mode === 'iowait') unused += seconds;
  }
  if (total > 0) measure('system.cpu.utilization', 1 - unused / total, { 'cpu.mode': 'used' });
  measure('system.cpu.logical.count', cpus().length);
}

function measureMemory({ limit, ...states }: HostReading['memory'], measure: Measure): void {
  measure('system.memory.limit', limit);
  for (const [state, bytes] of Object.entries(states)) {
    measure('system.memory.usage', bytes, { 'system.memory.state': state });
    if (limit > 0) measure('system.memory.utilization', bytes / limit, { 'system.memory.state': state });
  }
}

function measureCards(
  cards: readonly NetworkCard[],
  last: HostReading['cards'],
  now: HostReading['cards'],
  measure: Measure,
): void {
  for (const { name, speedBitsPerSecond } of cards) {
    const counters = now[name];
    if (!counters) continue;
    const before = last[name];
    for (const direction of ['receive', 'transmit'] as const) {
      const attributes = { 'network.interface.name': name, 'network.io.direction': direction };
      const bytes = direction === 'receive' ? 'receivedBytes' : 'transmittedBytes';
      const dropped = direction === 'receive' ? 'receivedDropped' : 'transmittedDropped';
      measure('system.network.io', increase(before?.[bytes], counters[bytes]), attributes);
      measure('system.network.packet.dropped', increase(before?.[dropped], counters[dropped]), attributes);
    }
    if (speedBitsPerSecond > 0) measure('system.network.speed', speedBitsPerSecond, { 'network.interface.name': name });
  }
}

async function measureFileSystems(reader: HostReader, measure: Measure): Promise<void> {
  for (const { device, mountpoint, usedBytes, freeBytes } of await reader.readFileSystems()) {
    const where = { 'system.device': device, 'system.filesystem.mountpoint': mountpoint };
    measure('system.filesystem.usage', usedBytes, { ...where, 'system.filesystem.state': 'used' });
    measure('system.filesystem.usage', freeBytes, { ...where, 'system.filesystem.state': 'free' });
    const size = usedBytes + freeBytes;
    if (size > 0) measure('system.filesystem.utilization', usedBytes / size, where);
  }
}

/** What was added; nothing when the counter is new or fell (a card that came back): it is a new baseline. */
function increase(before: number | undefined, now: number | undefined): number {
  return before === undefined || now === undefined || now < before ? 0 : now - before;
}
