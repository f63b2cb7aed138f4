/** What each state says to a viewer: one plain sentence, and what happens next. */
import type { PlayerState } from '../../../weir-player.d.ts';

/** Shown over the picture. */
export interface Message {
  title: string;
  detail: string;
  /** Something is going on that may end by itself. */
  busy: boolean;
  /** Label of the button, when there is something to do. */
  action: string;
}

const NOTHING: Message = { title: '', detail: '', busy: false, action: '' };

/** Message of each state; an empty title shows nothing. */
export const MESSAGES: { readonly [K in PlayerState]: Message } = {
  connecting: { title: 'Connecting', detail: '', busy: true, action: '' },
  playing: NOTHING,
  paused: { ...NOTHING, action: 'Play' },
  stalled: { title: 'Waiting for data', detail: '', busy: true, action: '' },
  reconnecting: {
    title: 'Connecting again',
    detail: 'The picture goes on as soon as a server answers.',
    busy: true,
    action: '',
  },
  'not-found': {
    title: 'This stream is not live',
    detail: 'Nobody publishes it at the moment. It starts here by itself when someone does.',
    busy: true,
    action: '',
  },
  away: {
    title: 'The broadcaster is away',
    detail: 'The picture goes on by itself when they are back.',
    busy: true,
    action: '',
  },
  full: {
    title: 'No room at the moment',
    detail: 'The server has all the viewers it can take. Trying again.',
    busy: true,
    action: '',
  },
  offline: {
    title: 'You are offline',
    detail: 'The picture goes on when this device has a network again.',
    busy: true,
    action: '',
  },
  refused: {
    title: 'You can’t watch this stream',
    detail: 'The link may have expired or be incomplete. Ask for a new one.',
    busy: false,
    action: 'Try again',
  },
  unsupported: {
    title: 'This browser can’t play it',
    detail: 'Its video format or streaming method is not supported here. Try another browser.',
    busy: false,
    action: '',
  },
  closed: NOTHING,
};
