/**
 * The player's surface around a video element: messages, control bar, overlay, the last picture held while a connection
 * is replaced. Before it: the player, whose state it shows; the video itself stays the page's.
 */

import type { PlayerState, SurfaceOptions } from '../../../weir-player.d.ts';
import type { LivePlayer } from '../player.ts';
import { createControls } from './controls.ts';
import { icon } from './icons.ts';
import { listenToKeys } from './keyboard.ts';
import { MESSAGES } from './messages.ts';
import { createOverlay } from './overlay.ts';
import { STYLES } from './styles.ts';

const REFRESH_MS = 500;
const IDLE_MS = 2_500;
/** A stall shorter than this is not worth a message. */
const MESSAGE_AFTER_MS: Partial<Record<PlayerState, number>> = { connecting: 400, stalled: 700, reconnecting: 700 };
/** Further behind than this over the target, the live light goes out. */
const LIVE_WITHIN_MS = 1_500;

/** Builds the surface around `player.video`; `close()` leaves the video where it was. */
export function createSurface(player: LivePlayer, options: SurfaceOptions): { element: HTMLElement; close(): void } {
  const { video } = player;
  const stop = new AbortController();
  const { signal } = stop;
  const host = document.createElement('div');
  host.className = 'weir-player';
  const root = host.attachShadow({ mode: 'open' });
  const parts = build(root, player);
  video.replaceWith(host);
  host.append(video);
  video.playsInline = true;
  video.controls = false;

  const overlay = createOverlay();
  const togglePlay = () => (video.paused ? player.play() : player.pause());
  const toggleMute = () => {
    video.muted = !video.muted;
    if (!video.muted && video.volume === 0) video.volume = 0.5;
  };
  const picture = pictureInPicture(video);
  const fullscreen = fullscreenOf(host, video);
  const toggleFigures = () => {
    overlay.toggle();
    overlay.show(player.stats());
  };
  const jumpToLive = () => player.play();
  const controls = createControls({
    togglePlay,
    toggleMute,
    setVolume: (volume) => Object.assign(video, { volume, muted: volume === 0 }),
    jumpToLive,
    toggleFigures,
    togglePicture: picture,
    toggleFullscreen: fullscreen,
  });
  parts.frame.append(overlay.element, controls.element);
  listenToKeys(
    options.keys === 'page' ? document : host,
    {
      togglePlay,
      toggleMute,
      toggleFigures,
      jumpToLive,
      togglePicture: picture ?? (() => {}),
      toggleFullscreen: fullscreen ?? (() => {}),
      changeVolume: (by) => Object.assign(video, { volume: Math.min(1, Math.max(0, video.volume + by)), muted: false }),
    },
    signal,
  );
  parts.unmute.addEventListener('click', toggleMute);
  parts.action.addEventListener('click', () => player.play());
  parts.big.addEventListener('click', () => player.play());
  parts.frame.addEventListener('dblclick', (event) => isPicture(event, parts) && fullscreen?.(), { signal });
  parts.frame.addEventListener('click', (event) => isPicture(event, parts) && isMouse(event) && togglePlay(), {
    signal,
  });

  const refresh = () => {
    const stats = player.stats();
    const live = !video.paused && (stats.delayMs === undefined || stats.delayMs < stats.targetMs + LIVE_WITHIN_MS);
    controls.show({
      paused: video.paused,
      muted: video.muted,
      volume: video.volume,
      live: live && stats.state === 'playing',
      delayMs: stats.state === 'playing' ? stats.delayMs : undefined,
      fullscreen: document.fullscreenElement === host,
      picture: document.pictureInPictureElement === video,
    });
    parts.unmute.hidden = !video.muted || !player.wasMuted;
    overlay.show(stats);
    if (stats.width > 0) host.style.setProperty('--ratio', `${stats.width} / ${stats.height}`);
  };
  const messages = showMessages(player, parts);
  const idle = hideWhenIdle(host, video, signal);
  const freeze = holdPicture(player, parts.freeze);
  for (const name of ['play', 'pause', 'volumechange', 'enterpictureinpicture', 'leavepictureinpicture', 'resize']) {
    video.addEventListener(name, refresh, { signal });
  }
  document.addEventListener('fullscreenchange', refresh, { signal });
  const timer = setInterval(refresh, REFRESH_MS);
  if (options.figures) overlay.toggle();
  refresh();
  return {
    element: host,
    close() {
      clearInterval(timer);
      messages.close();
      idle.close();
      freeze();
      stop.abort();
      host.replaceWith(video);
    },
  };
}

interface Parts {
  frame: HTMLElement;
  freeze: HTMLCanvasElement;
  veil: HTMLElement;
  spin: HTMLElement;
  title: HTMLElement;
  detail: HTMLElement;
  action: HTMLButtonElement;
  big: HTMLButtonElement;
  unmute: HTMLButtonElement;
  spoken: HTMLElement;
}

function build(root: ShadowRoot, player: LivePlayer): Parts {
  root.innerHTML = `<style>${STYLES}</style>
    <div class="frame" tabindex="0" role="region" aria-label="Live video">
      <slot></slot><canvas class="freeze"></canvas>
      <div class="veil"><div class="spin"></div><h2></h2><p></p><button type="button" class="pill" hidden></button></div>
      <button type="button" class="big" aria-label="Play" hidden></button>
      <button type="button" class="unmute" hidden></button>
      <div class="hush" role="status" aria-live="polite"></div>
    </div>`;
  const find = <T extends Element>(selector: string) => root.querySelector<T>(selector) as T;
  const parts: Parts = {
    frame: find('.frame'),
    freeze: find('.freeze'),
    veil: find('.veil'),
    spin: find('.spin'),
    title: find('.veil h2'),
    detail: find('.veil p'),
    action: find('.veil button'),
    big: find('.big'),
    unmute: find('.unmute'),
    spoken: find('.hush'),
  };
  parts.big.append(icon('play'));
  parts.unmute.append(icon('muted'), 'Tap for sound');
  player.video.setAttribute('aria-label', player.video.getAttribute('aria-label') ?? 'Live video');
  return parts;
}

/** Shows the state's message; short stalls pass without one. */
function showMessages(player: LivePlayer, parts: Parts): { close(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const show = (state: PlayerState) => {
    const message = MESSAGES[state];
    parts.veil.classList.toggle('on', message.title !== '');
    if (message.title !== '') {
      parts.title.textContent = message.title;
      parts.detail.textContent = message.detail;
      parts.spin.hidden = !message.busy;
      parts.action.textContent = message.action;
      parts.action.hidden = message.action === '';
    }
    parts.big.hidden = state !== 'paused';
    parts.spoken.textContent = message.title === '' ? '' : `${message.title}. ${message.detail}`;
  };
  const told = (state: PlayerState) => {
    clearTimeout(timer);
    const waitMs = MESSAGE_AFTER_MS[state] ?? 0;
    if (waitMs === 0) show(state);
    else timer = setTimeout(() => show(state), waitMs);
  };
  const stop = player.events.on('state', told);
  told(player.state);
  return {
    close() {
      clearTimeout(timer);
      stop();
    },
  };
}

/** Holds the last picture over the element while its source is replaced. */
function holdPicture(player: LivePlayer, canvas: HTMLCanvasElement): () => void {
  const { video } = player;
  const stops = [
    player.events.on('swap', () => {
      if (video.videoWidth === 0 || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext('2d')?.drawImage(video, 0, 0);
      canvas.classList.add('on');
    }),
    player.events.on('picture', () => canvas.classList.remove('on')),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Bar and pointer go when nothing moves; they stay while paused or while the focus is on a control. */
function hideWhenIdle(host: HTMLElement, video: HTMLVideoElement, signal: AbortSignal): { close(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const busy = () => {
    delete host.dataset.idle;
    clearTimeout(timer);
    timer = setTimeout(() => {
      const onControl = host.shadowRoot?.activeElement?.matches(':focus-visible:not(.frame)') ?? false;
      if (!video.paused && !onControl) host.dataset.idle = '';
    }, IDLE_MS);
  };
  for (const name of ['pointermove', 'pointerdown', 'focusin', 'keydown'])
    host.addEventListener(name, busy, { signal });
  video.addEventListener('pause', busy, { signal });
  video.addEventListener('playing', busy, { signal });
  busy();
  return { close: () => clearTimeout(timer) };
}

function isPicture(event: Event, parts: Parts): boolean {
  const [origin] = event.composedPath();
  return origin instanceof HTMLVideoElement || origin === parts.frame || origin === parts.veil;
}

/** A tap on a touch screen shows the bar; a click of a mouse plays and pauses. */
function isMouse(event: MouseEvent): boolean {
  return !(event instanceof PointerEvent) || event.pointerType === 'mouse';
}

function pictureInPicture(video: HTMLVideoElement): (() => void) | undefined {
  if (!document.pictureInPictureEnabled) return undefined;
  return () => {
    const change =
      document.pictureInPictureElement === video ? document.exitPictureInPicture() : video.requestPictureInPicture();
    // Refused when there is no picture yet: nothing to do about it.
    Promise.resolve(change).catch(() => {});
  };
}

function fullscreenOf(host: HTMLElement, video: HTMLVideoElement): (() => void) | undefined {
  if (document.fullscreenEnabled) {
    return () => {
      const change = document.fullscreenElement === host ? document.exitFullscreen() : host.requestFullscreen();
      change.catch(() => {});
    };
  }
  // iPhones put only a video on the full screen, by a method of their own.
  const own = 'webkitEnterFullscreen' in video ? video.webkitEnterFullscreen : undefined;
  return typeof own === 'function' ? () => own.call(video) : undefined;
}
