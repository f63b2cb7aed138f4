/**
 * Turns what happens in the player into measurements: start, stalls, reconnects, rate changes, errors, and a heartbeat.
 * Before it: the player's events; after it: a sink (Faro), which may come later: until then a bounded number is kept.
 */
import { VIEWER_CONTEXT, VIEWER_EVENT, VIEWER_MEASUREMENT } from '@weir/contracts/viewer';
import type { PlayerStats, StartTimes } from '../../../weir-player.d.ts';
import type { LivePlayer } from '../player.ts';
import { streamOf } from '../source/candidates.ts';

/** One measurement or event, as Faro takes it. */
export interface ViewerRecord {
  kind: 'measurement' | 'event';
  /** Measurement type or event name. */
  name: string;
  values: Record<string, number>;
  /** A measurement's context, an event's attributes. */
  context: Record<string, string>;
  /** Unix time, ms. */
  atMs: number;
}

/** Takes records at once. */
export type Sink = (record: ViewerRecord) => void;

/** How often what happened is summed up. */
const HEARTBEAT_MS = 10_000;
/** More than these between two heartbeats are only counted in them: a broken stream must not become a flood. */
const MOST_PER_HEARTBEAT = 20;
/** Kept until there is a sink; the oldest go first. */
const MOST_KEPT = 50;
const SHORTEST_HEARTBEAT_MS = 50;

/** Counters at the last heartbeat: a heartbeat carries differences, so that sums are sums. */
interface Mark {
  at: number;
  watchedMs: number;
  stalls: number;
  stalledMs: number;
  framesDecoded: number;
  framesDropped: number;
  reconnects: number;
}

/** Records one player from construction until `close()`. */
export class Recorder {
  readonly #player: LivePlayer;
  readonly #names: { app: string; stream: string };
  readonly #session: string;
  readonly #stops: (() => void)[] = [];
  #kept: ViewerRecord[] = [];
  #sink: Sink | undefined;
  #mark: Mark;
  #rates = 0;
  #recorded = 0;

  /** @param url the stream's, for application and name; @param session the id the edge was told, or an empty text. */
  constructor(player: LivePlayer, url: URL, session: string) {
    this.#player = player;
    this.#names = streamOf(url);
    this.#session = session;
    this.#mark = markOf(player.stats());
    this.#listen();
  }

  /** Hands over what was kept, and all that follows. */
  drainTo(sink: Sink): void {
    this.#sink = sink;
    for (const record of this.#kept.splice(0)) sink(record);
  }

  /** Says the last words. */
  close(): void {
    this.#leave();
    for (const stop of this.#stops.splice(0)) stop();
  }

  #listen(): void {
    const { events } = this.#player;
    const { start: started } = this.#player.stats();
    if (started) this.#started(started);
    // Both, as browsers differ in which they send; registered before Faro's, whose last batch must hold the last words.
    const leave = () => this.#leave();
    const hidden = () => document.hidden && this.#leave();
    addEventListener('pagehide', leave);
    document.addEventListener('visibilitychange', hidden);
    const timer = setInterval(() => this.#heartbeat(), HEARTBEAT_MS);
    this.#stops.push(
      () => removeEventListener('pagehide', leave),
      () => document.removeEventListener('visibilitychange', hidden),
      () => clearInterval(timer),
      events.on('started', (start) => this.#started(start)),
      events.on('stall', ({ startedAtMs, durationMs, bufferBeforeMs, cause, edge }) => {
        const values = { duration_ms: durationMs, buffer_before_ms: bufferBeforeMs };
        const whose = edge
          ? { [VIEWER_CONTEXT.node]: edge.node, [VIEWER_CONTEXT.connection]: edge.connection }
          : undefined;
        this.#measure(VIEWER_MEASUREMENT.stall, values, { cause, ...whose }, startedAtMs);
      }),
      events.on('reconnect', ({ awayMs, attempts, code, fromNode, toNode }) => {
        const context = { code, from_node: fromNode, to_node: toNode };
        this.#measure(VIEWER_MEASUREMENT.reconnect, { away_ms: awayMs, attempts }, context);
      }),
      events.on('rate', ({ rate, delayMs }) => {
        this.#rates += 1;
        this.#measure(VIEWER_MEASUREMENT.rate, { rate, delay_ms: delayMs });
      }),
      events.on('problem', ({ code, message, status }) => {
        const context = { ...this.#context(), code, message, status: status === undefined ? '' : String(status) };
        this.#record({ kind: 'event', name: VIEWER_EVENT.error, values: {}, context, atMs: Date.now() });
      }),
    );
  }

  #started(start: StartTimes): void {
    this.#measure(VIEWER_MEASUREMENT.start, {
      total_ms: start.totalMs,
      script_ms: start.scriptMs,
      connect_ms: start.connectMs,
      first_byte_ms: start.firstByteMs,
      first_frame_ms: start.firstFrameMs,
    });
  }

  /** The page goes or is hidden: what is going on is told as far as it got. */
  #leave(): void {
    this.#player.flush();
    this.#heartbeat();
  }

  #heartbeat(): void {
    const stats = this.#player.stats();
    const last = this.#mark;
    const mark = markOf(stats);
    if (mark.at - last.at < SHORTEST_HEARTBEAT_MS) return;
    this.#mark = mark;
    const values: Record<string, number> = {
      interval_ms: mark.at - last.at,
      watched_ms: mark.watchedMs - last.watchedMs,
      stalls: mark.stalls - last.stalls,
      stalled_ms: mark.stalledMs - last.stalledMs,
      frames_decoded: mark.framesDecoded - last.framesDecoded,
      frames_dropped: mark.framesDropped - last.framesDropped,
      reconnects: mark.reconnects - last.reconnects,
      rate_changes: this.#rates,
      buffer_ms: stats.bufferMs,
      target_ms: stats.targetMs,
      bitrate: stats.bitrate,
      rate: stats.rate,
      width: stats.width,
      height: stats.height,
      ...(stats.delayMs === undefined ? {} : { delay_ms: stats.delayMs }),
    };
    this.#rates = 0;
    this.#recorded = 0;
    this.#measure(VIEWER_MEASUREMENT.heartbeat, values, { state: stats.state });
  }

  #measure(name: string, values: Record<string, number>, more: Record<string, string> = {}, atMs = Date.now()): void {
    this.#record({
      kind: 'measurement',
      name,
      values: rounded(values),
      context: { ...this.#context(), ...more },
      atMs,
    });
  }

  #record(record: ViewerRecord): void {
    this.#recorded += 1;
    if (this.#recorded > MOST_PER_HEARTBEAT) return;
    if (this.#sink) this.#sink(record);
    else {
      this.#kept.push(record);
      if (this.#kept.length > MOST_KEPT) this.#kept.shift();
    }
  }

  #context(): Record<string, string> {
    const { edge, transport, host } = this.#player.stats();
    return {
      [VIEWER_CONTEXT.app]: this.#names.app,
      [VIEWER_CONTEXT.stream]: this.#names.stream,
      [VIEWER_CONTEXT.node]: edge?.node ?? '',
      [VIEWER_CONTEXT.connection]: edge?.connection ?? '',
      [VIEWER_CONTEXT.session]: this.#session,
      [VIEWER_CONTEXT.transport]: transport ?? '',
      host,
    };
  }
}

function markOf(stats: PlayerStats): Mark {
  const { watchedMs, stalls, stalledMs, framesDecoded, framesDropped, reconnects } = stats;
  return { at: performance.now(), watchedMs, stalls, stalledMs, framesDecoded, framesDropped, reconnects };
}

/** JSON knows no NaN; milliseconds need no more than three digits after the point. */
function rounded(values: Record<string, number>): Record<string, number> {
  const finite = Object.entries(values).filter(([, value]) => Number.isFinite(value));
  return Object.fromEntries(finite.map(([name, value]) => [name, Math.round(value * 1_000) / 1_000]));
}
