/**
 * The module a page embeds: `attachPlayer(video, { url })`. It puts player, surface and measuring together; each works
 * without the next. What it promises its users stands in weir-player.d.ts.
 */
import type * as promised from '../../weir-player.d.ts';
import { Measuring } from './measure/measuring.ts';
import { LivePlayer } from './player.ts';
import { streamOf } from './source/candidates.ts';
import { createSurface } from './ui/surface.ts';

/** See weir-player.d.ts. */
export const attachPlayer: typeof promised.attachPlayer = (video, options) => {
  const measuring = new Measuring(options.measure ?? { consent: false });
  const session = options.session ?? measuring.session;
  const player = new LivePlayer(video, { ...options, session });
  const [first = ''] = typeof options.url === 'string' ? [options.url] : options.url;
  measuring.attach(player, new URL(first, location.href));
  const surface = options.surface === false ? undefined : createSurface(player, options.surface ?? {});
  return {
    get state() {
      return player.state;
    },
    element: surface?.element ?? video,
    play: () => player.play(),
    pause: () => player.pause(),
    jumpToLive: () => player.jumpToLive(),
    stats: () => player.stats(),
    on: (name, listener) => player.events.on(name, listener),
    setConsent: (consent) => measuring.setConsent(consent),
    close() {
      measuring.close();
      surface?.close();
      player.close();
    },
  };
};

export { streamOf };
