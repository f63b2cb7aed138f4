/**
 * The player's instrumentation for Faro, and a Faro of the player's own. Loaded after the first frame: measuring must not
 * cost what it measures. Before it: the recorder; after it: a Faro receiver.
 */
import { BaseInstrumentation, type Faro, initializeFaro } from '@grafana/faro-web-sdk';
import type { Recorder, ViewerRecord } from './recorder.ts';

/** Where a Faro of our own sends to. */
export interface FaroTarget {
  url: string;
  apiKey: string;
  /** Name of the page. */
  app: string;
  session: string;
}

/** Pushes what a {@link Recorder} records. */
export class PlayerInstrumentation extends BaseInstrumentation {
  readonly name = '@weir/player';
  readonly version = '0.1.0';
  readonly #recorder: Recorder;

  constructor(recorder: Recorder) {
    super();
    this.#recorder = recorder;
  }

  /** Called by Faro. */
  initialize(): void {
    this.#recorder.drainTo((record) => this.#push(record));
  }

  #push({ kind, name, values, context, atMs }: ViewerRecord): void {
    const options = { skipDedupe: true, timestampOverwriteMs: atMs };
    if (kind === 'measurement') this.api.pushMeasurement({ type: name, values }, { ...options, context });
    else this.api.pushEvent(name, context, 'player', options);
  }
}

/**
 * A Faro for the player alone: it shares nothing with another one on the page, watches nothing but the player, and leaves
 * the query of the page's address out, where signatures and other secrets may stand.
 */
export function createFaro({ url, apiKey, app, session }: FaroTarget): Faro {
  return initializeFaro({
    url,
    ...(apiKey === '' ? {} : { apiKey }),
    app: { name: app, version: '0.1.0' },
    isolate: true,
    preventGlobalExposure: true,
    instrumentations: [],
    sessionTracking: { enabled: false, session: { id: session } },
    pageTracking: { page: { url: `${location.origin}${location.pathname}` } },
  });
}
