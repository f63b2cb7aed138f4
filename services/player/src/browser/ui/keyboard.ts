/** The player's keys. They work while the focus is in the player, or everywhere when the page is the player's own. */

/** What a key does. */
export interface KeyActions {
  togglePlay: () => void;
  toggleMute: () => void;
  toggleFigures: () => void;
  togglePicture: () => void;
  toggleFullscreen: () => void;
  jumpToLive: () => void;
  changeVolume: (by: number) => void;
}

const VOLUME_STEP = 0.05;

/** Listens on `target` until `signal` is aborted. Keys with Ctrl, Alt or Meta belong to the browser. */
export function listenToKeys(target: EventTarget, actions: KeyActions, signal: AbortSignal): void {
  const keys: Record<string, () => void> = {
    k: actions.togglePlay,
    m: actions.toggleMute,
    d: actions.toggleFigures,
    p: actions.togglePicture,
    f: actions.toggleFullscreen,
    l: actions.jumpToLive,
    ArrowUp: () => actions.changeVolume(VOLUME_STEP),
    ArrowDown: () => actions.changeVolume(-VOLUME_STEP),
    ' ': actions.togglePlay,
  };
  const pressed = (event: Event) => {
    if (!(event instanceof KeyboardEvent) || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented)
      return;
    const [origin] = event.composedPath();
    if (isTyping(origin)) return;
    // Space and arrows have a meaning of their own on buttons and sliders.
    const own = event.key === ' ' || event.key.startsWith('Arrow');
    if (own && origin instanceof Element && origin.matches('button, input, select, a, summary')) return;
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  target.addEventListener('keydown', pressed, { signal });
}

function isTyping(element: EventTarget | undefined): boolean {
  if (!(element instanceof HTMLElement)) return false;
  return element.isContentEditable || element.matches('textarea, select, input:not([type=range], [type=checkbox])');
}
