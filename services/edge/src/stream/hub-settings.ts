/** What the hubs of an app are made with. Before it: the section `stream` of the configuration; after it: streams.ts. */
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError } from '@weir/contracts/errors';
import type { Protocol } from '../rtmp/protocol.ts';
import { createEncodings } from './encoding.ts';
import type { HubOptions } from './hub.ts';
import { MergeClocks } from './merge-clocks.ts';
import type { MergeWindow } from './merge-window.ts';

/** Options of a hub by its app. */
export type HubSettings = (app: string) => Omit<HubOptions, 'app' | 'name'>;

/** True when `list` of the configuration names the app, or all with `*`. */
export function namesApp(list: readonly string[], app: string): boolean {
  return list.includes(app) || list.includes('*');
}

/** Bounds of the usual merge window. @throws ConfigError `EDGE_MERGE_WINDOW`. */
export function mergeWindow({ mergeWindowMinMs: minMs, mergeWindowMaxMs: maxMs }: Config['stream']): MergeWindow {
  if (minMs <= maxMs) return { minMs, maxMs };
  throw new ConfigError(
    'EDGE_MERGE_WINDOW',
    `stream.mergeWindowMinMs is ${minMs}, above stream.mergeWindowMaxMs, which is ${maxMs}: give both the same for a fixed window.`,
  );
}

/**
 * The clocks and the settings of one process; whoever makes them closes the clocks.
 * @throws ConfigError `EDGE_CATCH_UP_SPEED`, `EDGE_MERGE_WINDOW`.
 */
export function hubSettings(
  { stream, rtmp }: Pick<Config, 'stream' | 'rtmp'>,
  protocol: Protocol,
): { clocks: MergeClocks; settings: HubSettings } {
  const { lowLatencyApps, lowLatencyMs, lowLatencyWindowMaxMs } = stream;
  if (stream.catchUpSpeed === 1) {
    throw new ConfigError(
      'EDGE_CATCH_UP_SPEED',
      'stream.catchUpSpeed is 1, at which a viewer never catches up: give 2 or more, or 0 for one burst.',
    );
  }
  const clocks = new MergeClocks({
    window: mergeWindow(stream),
    lowLatencyMaxMs: lowLatencyWindowMaxMs,
  });
  const common = {
    encodings: createEncodings(protocol, rtmp.chunkSizeBytes),
    chunkSizeBytes: rtmp.chunkSizeBytes,
    gop: { maxBytes: stream.gopCacheBytes, maxMs: stream.gopCacheMs },
    catchUpSpeed: stream.catchUpSpeed,
    viewerQueueBytes: stream.viewerQueueBytes,
    viewerQueueMs: stream.viewerQueueMs,
  };
  const usual = { ...common, clock: clocks.usual, shortestMs: undefined };
  const quick = { ...common, clock: clocks.lowLatency, shortestMs: lowLatencyMs };
  return { clocks, settings: (app) => (namesApp(lowLatencyApps, app) ? quick : usual) };
}
