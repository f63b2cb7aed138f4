/**
 * What users of the module may write, and what they may not: compiled by `npm run check` as strictly as a user could, never
 * run. Before it: weir-player.d.ts, which is checked with it.
 */
import { type AttachedPlayer, type AttachOptions, attachPlayer, type PlayerStats, streamOf } from '@weir/player';

const options: AttachOptions = {
  url: ['https://edge.example/live/demo', 'https://edge-2.example/live/demo'],
  transport: 'ws-flv',
  surface: { keys: 'page', figures: true },
  measure: { url: 'https://ingest.example/faro/collect', apiKey: 'page-key', samplingRate: 0.1, consent: false },
};

/** Holds that each event's value has its type. */
export function use(video: HTMLVideoElement): AttachedPlayer {
  const player = attachPlayer(video, options);
  const stop: () => void = player.on('stall', ({ durationMs, cause, edge }) => {
    const words: string = `${durationMs.toFixed()} ms: ${cause} at ${edge?.node ?? 'an unknown edge'}`;
    player.element.title = words;
  });
  player.on('state', (state) => state === 'offline' && stop());
  const { delayMs, start }: PlayerStats = player.stats();
  player.element.title = `${delayMs?.toFixed()} ${start?.totalMs.toFixed()} ${streamOf(new URL(location.href)).app}`;
  return player;
}

/** Each line is a mistake the compiler must find. */
export function misuse(video: HTMLVideoElement, canvas: HTMLCanvasElement): void {
  // @ts-expect-error: there is no stream to play
  attachPlayer(video, {});
  // @ts-expect-error: no video element
  attachPlayer(canvas, { url: '/live/demo' });
  // @ts-expect-error: no such transport
  attachPlayer(video, { url: '/live/demo', transport: 'rtmp' });
  // @ts-expect-error: no such event
  attachPlayer(video, { url: '/live/demo' }).on('stalled', () => {});
  // @ts-expect-error: whether there was a first frame is not known
  attachPlayer(video, { url: '/live/demo' }).stats().start.totalMs;
}
