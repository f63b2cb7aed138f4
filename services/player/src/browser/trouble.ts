/**
 * What is said of what went wrong: a state for the surface, a code and a sentence for the log. Before it: the connector's
 * outages and the engine's failures; after it: the player's state and its problems.
 */
import type { PlayerProblem, PlayerState } from '../../weir-player.d.ts';
import type { Outage } from './source/connector.ts';

/** A trouble and the state it leaves the player in. */
export interface Trouble {
  state: PlayerState;
  problem: PlayerProblem;
}

/** Of a whole round of attempts without media. @param hadPicture there was one: its publisher is away then, not unknown. */
export function troubleOf(outage: Outage, status: number | undefined, hadPicture: boolean, online: boolean): Trouble {
  const trouble = (state: PlayerState, code: string, message: string): Trouble => ({
    state,
    problem: { code, message, status },
  });
  switch (outage) {
    case 'refused':
      return trouble('refused', 'PLAYER_REFUSED', 'The server does not let this viewer in.');
    case 'not-found': {
      const state = hadPicture ? 'away' : 'not-found';
      return trouble(state, 'PLAYER_NOT_FOUND', 'There is no such stream at the moment.');
    }
    case 'full':
      return trouble('full', 'PLAYER_FULL', 'The server takes no more viewers.');
    case 'unreachable':
      return online
        ? trouble('reconnecting', 'PLAYER_UNREACHABLE', 'No server answers.')
        : trouble('offline', 'PLAYER_OFFLINE', 'This device has no network.');
  }
}

/** Playing is over: nothing but another browser, or another stream, would help. */
export function unsupported(code: string, message: string): Trouble {
  return { state: 'unsupported', problem: { code, message, status: undefined } };
}

/** A media pipeline that breaks again and again in so short a time is not mended by trying. */
const BROKEN_AT_MOST = 3;
const BROKEN_WITHIN_MS = 60_000;

/** Counts how often the media pipeline broke of late. */
export class Breakages {
  #at: number[] = [];

  /** It broke. @returns whether that is too often for another try. */
  add(now: number): boolean {
    this.#at = [...this.#at.filter((at) => now - at < BROKEN_WITHIN_MS), now];
    return this.#at.length > BROKEN_AT_MOST;
  }

  forget(): void {
    this.#at = [];
  }
}
