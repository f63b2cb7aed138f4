/**
 * The process of one worker: listeners and fan-out, nothing else. Streams and their places come from the primary. Before
 * it: crew.ts, which forks it and tells it its configuration; after it: the clients it is handed.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import { createLogger } from '@weir/contracts/logger';
import { processMetrics } from '@weir/telemetry/process-metrics';
import { type Listeners, startListeners } from '../listeners.ts';
import { Protocol } from '../rtmp/protocol.ts';
import { Connections, type OpenConnection } from '../stream/connections.ts';
import { hubSettings, mergeWindow } from '../stream/hub-settings.ts';
import { Streams, type StreamsOptions } from '../stream/streams.ts';
import { Certificate } from '../tls/certificate.ts';
import { publishByLink } from './link-publication.ts';
import { LinkPull } from './link-pull.ts';
import type { SentConnection, SentFigure, ToPrimary, ToWorker } from './messages.ts';
import { primaryRoute } from './primary-route.ts';
import { RemoteAccess } from './remote-access.ts';
import { SentEvents } from './sent-events.ts';

const PULSE_MS = 250;
/** Time for the good-byes of all clients to be noted. */
const GOODBYES_MS = 1_000;

/** A worker's streams: what is published here goes to the primary and comes back for the viewers here. */
class WorkerStreams extends Streams {
  readonly #links: string;

  constructor(links: string, options: Omit<StreamsOptions, 'claims' | 'openUpstream'>) {
    super({
      ...options,
      claims: { claim: () => Promise.resolve(undefined), givesWay: () => Promise.resolve(false) },
      openUpstream: (hub, _input, _hops, events) => new LinkPull(links, hub, events),
    });
    this.#links = links;
  }

  /** Publishers connected here. */
  publishers = 0;

  override async publish(
    ...[name, client, revoke, protocol = 'rtmp']: Parameters<Streams['publish']>
  ): ReturnType<Streams['publish']> {
    const answer = await publishByLink(this.#links, name, client, revoke, protocol);
    if ('refused' in answer) return answer;
    this.publishers += 1;
    return {
      push: (media) => answer.push(media),
      end: (reason) => {
        this.publishers -= 1;
        answer.end(reason);
      },
    };
  }
}

/** A running worker. */
interface Worker {
  ports: Listeners['ports'];
  receive(message: ToWorker): void;
}

async function startWorker(
  { config, node, index, links, http }: Extract<ToWorker, { kind: 'start' }>,
  send: (message: ToPrimary) => void,
): Promise<Worker> {
  const logger = createLogger(node, config.log.level).child({ worker: index });
  const events = new SentEvents(send);
  const connections = new Connections(config.limits.connections, events);
  const protocol = new Protocol();
  const { clocks, settings } = hubSettings(config, protocol);
  const access = new RemoteAccess(send);
  const { idleTimeoutMs } = config.rtmp;
  const { notFoundWaitMs, publisherGraceMs } = config.stream;
  const streams = new WorkerStreams(links, {
    hub: settings,
    // The primary keeps a stream for a while: to take it up again costs nothing.
    times: { lingerMs: 0, publisherGraceMs, notFoundWaitMs },
    connections,
    idleTimeoutMs,
    staleAfterMs: config.relay.stallTimeoutMs,
  });
  const certificate = config.tls.certFile === '' ? undefined : new Certificate(config.tls);
  const listeners = await startListeners({
    config,
    node,
    access,
    streams,
    connections,
    protocol,
    certificate,
    player: primaryRoute(http, index),
    hls: undefined,
    notReady: () => [],
    weight: () => 0,
    logger,
  });
  const ownProcess = processMetrics();
  const state = (): ToPrimary => {
    const { windowMs: mergeWindowMs, longestFlushMs } = clocks;
    return { kind: 'pulse', book: connections.recent(), mergeWindowMs, longestFlushMs };
  };
  const pulse = () => {
    events.flush();
    send(state());
  };
  const timer = setInterval(pulse, PULSE_MS);
  pulse();

  const close = async (reason: Parameters<Listeners['close']>[0]) => {
    streams.close(reason);
    await listeners.close(reason);
    // A server is closed a little before the last of its sockets says so.
    const until = Date.now() + GOODBYES_MS;
    while (streams.publishers + connections.list().length > 0 && Date.now() < until) await sleep(GOODBYES_MS / 100);
    clearInterval(timer);
    clocks.close();
    ownProcess.close();
    events.flush();
    // Links say their last word in the next turn.
    setImmediate(() => {
      process.send?.(state(), () => process.exit(0));
    });
  };
  return {
    ports: listeners.ports,
    receive(message) {
      switch (message.kind) {
        case 'answer':
          access.answered(message);
          break;
        case 'withdraw':
          access.withdrawn(message);
          break;
        case 'figures': {
          const figures: SentFigure[] = [];
          void ownProcess.sample((...figure) => figures.push(figure as SentFigure), {
            stampMs: Date.now(),
            elapsedMs: message.elapsedMs,
          });
          send({ kind: 'figures', figures });
          break;
        }
        case 'list':
          send({ kind: 'list', connections: connections.list().map(sent) });
          break;
        case 'kick':
          connections
            .list()
            .find(({ id }) => id === message.connection)
            ?.kick?.(message.reason);
          break;
        case 'configure': {
          const { stream, log, tls } = message.config;
          listeners.configure(message.config);
          clocks.setBounds(mergeWindow(stream));
          logger.level = log.level;
          try {
            certificate?.prepare(tls)();
          } catch (error) {
            // The primary could use it a moment ago: the old one stays in force here.
            logger.error({ err: error }, 'a worker cannot use the new certificate');
          }
          break;
        }
        case 'ask-to-reconnect':
          void listeners.askToReconnect(message.request).then((told) => send({ kind: 'told', told }));
          break;
        case 'close':
          close(message.reason).catch((error: unknown) => {
            logger.error({ err: error }, 'a worker did not close well');
            process.exit(1);
          });
      }
    },
  };
}

function sent({ opened, framesDropped, socket }: OpenConnection): SentConnection {
  const { bytesRead, bytesWritten, writableLength } = socket;
  return { opened, framesDropped, socket: { bytesRead, bytesWritten, writableLength } };
}

async function run(): Promise<void> {
  const send = (message: ToPrimary) => {
    if (process.connected) process.send?.(message);
  };
  // The primary says when to end; a terminal's Ctrl-C reaches the whole process group.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  let worker: Worker | undefined;
  process.on('message', (message: ToWorker) => {
    if (message.kind !== 'start') {
      worker?.receive(message);
      return;
    }
    startWorker(message, send).then(
      (started) => {
        worker = started;
        send({ kind: 'ready', ports: started.ports });
      },
      (error: unknown) => {
        const code = error instanceof WeirError ? error.code : 'EDGE_WORKER_FAILED';
        send({ kind: 'failed', code, message: errorMessage(error) });
      },
    );
  });
}

await run();
