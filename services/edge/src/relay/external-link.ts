/**
 * Keeps one stream between this node and another server going: connects, tries the next URL when that fails, waits longer
 * each time, and says how it stands. Before it: externals.ts; after it: external-pull.ts or external-push.ts, which talk.
 *
 *   connecting ──media flows──▶ live ──lost──▶ waiting ──a while──▶ connecting
 *        └────── failed ───────────────────────▶ ─┘
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { ExternalLink } from '@weir/contracts/nats/control';
import type { RtmpUrl } from '../rtmp/names.ts';
import { shownUrl } from './external-rules.ts';

/** What talking needs. */
export interface Talk {
  url: RtmpUrl;
  signal: AbortSignal;
  /** Media flows. */
  onLive(): void;
}

/** Options of {@link External}. */
export interface ExternalOptions {
  /** `app/name`. */
  stream: string;
  direction: ExternalLink['direction'];
  /** Tried in turn; not empty. */
  urls: readonly RtmpUrl[];
  /** Talks to one server until the stream ends; rejects when it is the server that fails. */
  talk(talk: Talk): Promise<void>;
  onFailed(): void;
  logger: Logger;
}

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;
/** Whoever was live for so long is tried again at once when it is lost. */
const STEADY_MS = 10_000;

/** One stream to or from one server. */
export class External {
  readonly #options: ExternalOptions;
  readonly #stop = new AbortController();
  readonly #status: ExternalLink;

  constructor(options: ExternalOptions) {
    this.#options = options;
    const { stream, direction } = options;
    this.#status = { stream, direction, url: '', state: 'connecting', sinceMs: Date.now(), failures: 0, reason: '' };
    void this.#run();
  }

  /** How it stands; a copy. */
  get status(): ExternalLink {
    return { ...this.#status };
  }

  get isLive(): boolean {
    return this.#status.state === 'live';
  }

  close(): void {
    this.#stop.abort();
  }

  #enter(state: ExternalLink['state']): void {
    this.#status.state = state;
    this.#status.sinceMs = Date.now();
  }

  async #run(): Promise<void> {
    const { urls, stream, direction, logger } = this.#options;
    const { signal } = this.#stop;
    let retryMs = RETRY_MIN_MS;
    for (let turn = 0; !signal.aborted; turn += 1) {
      const url = urls[turn % urls.length] as RtmpUrl;
      this.#status.url = shownUrl(url);
      this.#enter('connecting');
      try {
        await this.#options.talk({ url, signal, onLive: () => this.#enter('live') });
      } catch (error) {
        if (signal.aborted) return;
        const reason = withoutKey(errorMessage(error), url, direction) + mendOf(error);
        this.#status.failures += 1;
        this.#status.reason = reason;
        this.#options.onFailed();
        logger.warn({ stream, direction, url: this.#status.url, reason, retryMs }, 'another server failed');
      }
      const wasSteady = this.isLive && Date.now() - this.#status.sinceMs >= STEADY_MS;
      if (wasSteady) retryMs = RETRY_MIN_MS;
      this.#enter('waiting');
      // The next of several URLs is tried at once.
      const isLast = turn % urls.length === urls.length - 1;
      await sleep(isLast ? retryMs : RETRY_MIN_MS, undefined, { ref: false, signal }).catch(() => {});
      if (isLast) retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
  }
}

function mendOf(error: unknown): string {
  return errorCode(error) === 'EDGE_RTMP_TLS' ? ' A CA of its own is trusted when relay.externalCaFile names it.' : '';
}

/** A target may repeat the name it was pushed to, which is often a key. */
function withoutKey(reason: string, { name }: RtmpUrl, direction: ExternalLink['direction']): string {
  if (direction === 'pull') return reason;
  return reason.replaceAll(name, '…').replaceAll(name.split('?', 1)[0] ?? name, '…');
}
