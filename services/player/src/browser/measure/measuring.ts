/**
 * The viewer's measurements as a whole: session, consent, sampling, and when Faro is fetched. Nothing is stored, fetched
 * or sent before there is consent.
 */
import type { MeasuringOptions } from '../../../weir-player.d.ts';
import type { LivePlayer } from '../player.ts';
import { Recorder } from './recorder.ts';
import { currentSession, forgetSession, type Session } from './session.ts';

/** Faro is fetched when the first frame is there, or after this long without one. */
const FARO_AFTER_MS = 2_000;

/** Measures one player until `close()`. */
export class Measuring {
  readonly #options: MeasuringOptions;
  #consent: boolean;
  #session: Session | undefined;
  #player: { player: LivePlayer; url: URL } | undefined;
  #recorder: Recorder | undefined;
  #stop: () => void = () => {};

  constructor(options: MeasuringOptions) {
    this.#options = options;
    this.#consent = options.consent !== false;
    if (this.#consent) this.#session = this.#findSession();
  }

  /** The session's id for the edge; undefined while nothing is measured (no consent, not in the sample). */
  get session(): string | undefined {
    return this.#consent && this.#session?.sampled ? this.#session.id : undefined;
  }

  /** From now on this player is measured. */
  attach(player: LivePlayer, url: URL): void {
    this.#player = { player, url };
    this.#begin();
  }

  /** Measures from now on, or stops at once and forgets the session. */
  setConsent(consent: boolean): void {
    if (consent === this.#consent) return;
    this.#consent = consent;
    if (consent) {
      this.#session = this.#findSession();
      this.#begin();
    } else {
      this.close();
      forgetSession();
    }
  }

  /** Says the last words. */
  close(): void {
    this.#recorder?.close();
    this.#recorder = undefined;
    this.#stop();
  }

  #findSession(): Session | undefined {
    const { faro, url, samplingRate = 1 } = this.#options;
    if (!faro) return url === undefined ? undefined : currentSession(samplingRate);
    const session = faro.api.getSession();
    return session?.id === undefined
      ? undefined
      : { id: session.id, sampled: session.attributes?.isSampled !== 'false' };
  }

  #begin(): void {
    const session = this.session;
    if (session === undefined || !this.#player || this.#recorder) return;
    const { player, url } = this.#player;
    const recorder = new Recorder(player, url, session);
    this.#recorder = recorder;
    const load = () => {
      stopWaiting();
      // A page that can't fetch it plays on without being measured.
      this.#load(recorder, session).catch(() => recorder.drainTo(() => {}));
    };
    const timer = setTimeout(load, FARO_AFTER_MS);
    const stopListening = player.events.on('started', load);
    const stopWaiting = () => {
      clearTimeout(timer);
      stopListening();
    };
    this.#stop = stopWaiting;
    if (player.stats().start) load();
  }

  async #load(recorder: Recorder, session: string): Promise<void> {
    const { createFaro, PlayerInstrumentation } = await import('./faro.ts');
    const { faro, url = '', apiKey = '', app = 'weir-player' } = this.#options;
    const used = faro ?? createFaro({ url: new URL(url, location.href).href, apiKey, app, session });
    used.instrumentations.add(new PlayerInstrumentation(recorder));
  }
}
