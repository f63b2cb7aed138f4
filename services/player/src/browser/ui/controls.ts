/** The control bar: buttons that say what they do, in the order of the keyboard. Before it: the surface, which places it. */
import { type IconName, icon } from './icons.ts';

/** What the buttons do. */
export interface ControlActions {
  togglePlay: () => void;
  toggleMute: () => void;
  setVolume: (volume: number) => void;
  jumpToLive: () => void;
  toggleFigures: () => void;
  /** Undefined: this browser has none. */
  togglePicture: (() => void) | undefined;
  toggleFullscreen: (() => void) | undefined;
}

/** What the bar shows. */
export interface ControlState {
  paused: boolean;
  muted: boolean;
  volume: number;
  /** At the live edge; the delay is shown beside it, ms. */
  live: boolean;
  delayMs: number | undefined;
  fullscreen: boolean;
  picture: boolean;
}

/** Element to place, and how to bring it up to date. */
export interface Controls {
  readonly element: HTMLElement;
  show(state: ControlState): void;
}

export function createControls(actions: ControlActions): Controls {
  const element = document.createElement('div');
  element.className = 'bar';
  element.setAttribute('role', 'group');
  element.setAttribute('aria-label', 'Player controls');
  const play = button(actions.togglePlay);
  const mute = button(actions.toggleMute);
  const volume = document.createElement('input');
  Object.assign(volume, { type: 'range', className: 'volume', min: '0', max: '1', step: '0.05' });
  volume.setAttribute('aria-label', 'Volume');
  volume.addEventListener('input', () => actions.setVolume(volume.valueAsNumber));
  const live = liveButton(actions.jumpToLive);
  const space = document.createElement('div');
  space.className = 'space';
  const figures = button(actions.toggleFigures);
  face(figures, 'figures', 'Playback figures', 'd');
  const picture = button(actions.togglePicture ?? (() => {}));
  picture.hidden = actions.togglePicture === undefined;
  const screen = button(actions.toggleFullscreen ?? (() => {}));
  screen.hidden = actions.toggleFullscreen === undefined;
  element.append(play, mute, volume, live.element, space, figures, picture, screen);
  return {
    element,
    show(state) {
      face(play, state.paused ? 'play' : 'pause', state.paused ? 'Play' : 'Pause', 'k');
      const silent = state.muted || state.volume === 0;
      face(mute, silent ? 'muted' : 'sound', silent ? 'Sound on' : 'Sound off', 'm');
      volume.value = String(state.muted ? 0 : state.volume);
      live.show(state);
      face(picture, 'picture', state.picture ? 'Leave picture in picture' : 'Picture in picture', 'p');
      face(screen, state.fullscreen ? 'shrink' : 'expand', state.fullscreen ? 'Leave full screen' : 'Full screen', 'f');
    },
  };
}

function liveButton(jump: () => void): { element: HTMLElement; show(state: ControlState): void } {
  const element = button(jump);
  element.className = 'live';
  element.setAttribute('aria-keyshortcuts', 'l');
  const dot = document.createElement('i');
  const delay = document.createElement('span');
  element.append(dot, 'LIVE', delay);
  return {
    element,
    show({ live, delayMs }) {
      element.classList.toggle('now', live);
      const name = live ? 'Live' : 'Jump to live';
      if (element.title !== name) {
        element.title = name;
        element.setAttribute('aria-label', name);
      }
      delay.textContent = delayMs === undefined ? '' : `${(delayMs / 1_000).toFixed(1)} s`;
    },
  };
}

function button(action: () => void): HTMLButtonElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.addEventListener('click', action);
  return element;
}

/** Icon, name and key of a button; nothing is touched when it is so already. */
function face(element: HTMLButtonElement, name: IconName, label: string, key: string): void {
  if (element.dataset.icon === name && element.title.startsWith(label)) return;
  element.dataset.icon = name;
  element.title = `${label} (${key.toUpperCase()})`;
  element.setAttribute('aria-label', label);
  element.setAttribute('aria-keyshortcuts', key);
  element.replaceChildren(icon(name));
}
