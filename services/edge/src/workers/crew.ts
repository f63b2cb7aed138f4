/**
 * One node on more than one core. The primary is the node as it is with one process: its streams, pulls and claims, its
 * place in the cluster, its telemetry. Only what strangers connect to and what costs per viewer, listeners and fan-out,
 * is in the workers: a crew stands where a single process has its listeners.
 *
 *                      ┌────────────────────── primary ───────────────────────┐
 *   other nodes ◀─────▶│ relay listener, pulls, hub per stream, claims,       │◀──▶ NATS
 *                      │ access and limits, book, HLS, player, telemetry      │
 *                      └──▲───────────┬──────────────▲──────────────┬─────────┘
 *     link: messages of a │           │ link: once   │ HTTP but FLV │ IPC: may this client in?
 *     publisher connected │           │ per stream   │ (any worker  │ book and events, signs of
 *     to this worker      │           ▼ with viewers │ answers)     ▼ life, new sockets
 *                      ┌──┴────────────────────── worker 1 … n ───────────────┐
 *   clients ◀─────────▶│ RTMP, RTMPS, HTTP-FLV, WebSocket-FLV; hub, lanes     │
 *                      └──────────────────────────────────────────────────────┘
 *
 * A message crosses to a worker as it comes: the merge window is spent once, in the worker. New sockets are accepted by
 * the primary and handed round (node:cluster): the spread is even, it works on every system, a port has one owner, and
 * clients that come while a worker starts again are not turned away. A worker's viewers are a tap with an audience
 * (hub.ts), neither viewers nor relays of the primary. A worker that dies takes its clients with it and nothing else.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '@weir/contracts/config/schema';
import type { CloseReason } from '@weir/contracts/events';
import type { MetricSource } from '@weir/telemetry/measurement';
import { startHttpServer } from '../http/server.ts';
import { httpSockets, type Listeners, type ListenersOptions } from '../listeners.ts';
import type { ConnectionOpened, MediaObserver } from '../stats.ts';
import type { Kick, OpenConnection } from '../stream/connections.ts';
import type { CrewBook } from './crew-book.ts';
import { CrewMember, type MemberEvents } from './crew-member.ts';
import { FrontDesk } from './front-desk.ts';
import { startLinkServer } from './link-server.ts';
import type { SentConnection, SentFigure, ToWorker } from './messages.ts';
import { forWorkers } from './primary-route.ts';
import { socketFolder } from './socket-folder.ts';

/** Options of {@link startCrew}: those of the listeners it stands for, and what workers are told. */
export interface CrewOptions extends Omit<ListenersOptions, 'config' | 'connections'> {
  config: Readonly<Config>;
  /** Workers, 2 or more. */
  workers: number;
  connections: CrewBook;
  observer: MediaObserver;
}

/** One worker as it is now. */
export interface WorkerState {
  /** 1 … n. */
  index: number;
  /** 0 while it is being started again. */
  pid: number;
  restarts: number;
  viewers: number;
}

/** A running crew. */
export interface Crew extends Listeners {
  /** CPU, memory and event-loop delay of each worker, told apart by `weir.worker`. */
  readonly processes: MetricSource;
  /** Largest merge window of the workers, ms. */
  readonly mergeWindowMs: number;
  /** Longest flush of the workers, see MediaSnapshot. */
  readonly longestFlushMs: number;
  list(): WorkerState[];
  /** The open connections of all workers. */
  connectionsOf(): Promise<OpenConnection[]>;
}

/** One process of a worker. */
interface Run {
  desk: FrontDesk;
  send: (message: ToWorker) => void;
  index: number;
  /** Its open connections. */
  open: Map<string, ConnectionOpened>;
  mergeWindowMs: number;
  longestFlushMs: number;
  /** Who wait for its figures, its list, and how many it told to reconnect. */
  takeFigures: ((figures: SentFigure[]) => void)[];
  takeList: ((connections: SentConnection[]) => void)[];
  takeTold: ((told: number) => void)[];
}

/** A worker's answer is waited for so long; what one has that is busier than that is missing. */
const ANSWER_MS = 1_000;

/**
 * Starts the workers; resolves when all take clients.
 * @throws WeirError `EDGE_PORT_TAKEN` and what else listeners throw, `EDGE_WORKER_FAILED`.
 */
export async function startCrew(options: CrewOptions): Promise<Crew> {
  const { config, node, streams, connections, observer, access, logger } = options;
  const folder = socketFolder(config.node.dataDir);
  const links = join(folder, 'links');
  const http = join(folder, 'http');
  const runs = new Map<number, Run>();
  const members: CrewMember[] = [];
  let lastRun = 0;

  const events = (index: number): MemberEvents => ({
    began(run, send) {
      const desk = new FrontDesk(access, send);
      const figures = { mergeWindowMs: 0, longestFlushMs: 0 };
      runs.set(run, { desk, send, index, open: new Map(), ...figures, takeFigures: [], takeList: [], takeTold: [] });
    },
    told(number, message) {
      const run = runs.get(number);
      if (!run) return;
      if (message.kind === 'pulse') {
        connections.told(number, message.book);
        run.mergeWindowMs = message.mergeWindowMs;
        run.longestFlushMs = message.longestFlushMs;
      } else if (message.kind === 'opened') {
        for (const one of message.connections) {
          run.open.set(one.id, one);
          observer.connectionOpened(one);
        }
      } else if (message.kind === 'closed') {
        for (const one of message.connections) {
          run.open.delete(one.id);
          observer.connectionClosed(one);
        }
      } else if (message.kind === 'figures') {
        for (const take of run.takeFigures.splice(0)) take(message.figures);
      } else if (message.kind === 'list') for (const take of run.takeList.splice(0)) take(message.connections);
      else if (message.kind === 'told') for (const take of run.takeTold.splice(0)) take(message.told);
      else run.desk.receive(message);
    },
    ended(number) {
      const run = runs.get(number);
      if (!run) return;
      runs.delete(number);
      run.desk.close();
      connections.lost(number);
      // What these have moved since the last sign of life nobody knows; in the node's totals it is up to then.
      const nothing = { bytesIn: 0, bytesQueued: 0, bytesDelivered: 0, framesDropped: 0 };
      for (const one of run.open.values()) {
        observer.connectionClosed({ ...one, ...nothing, reason: 'error', closedAtMs: Date.now() });
      }
      for (const take of [...run.takeFigures, ...run.takeList]) take([]);
      for (const take of run.takeTold) take(0);
    },
  });

  const linkServer = await startLinkServer(links, streams, logger);
  const { player, certificate: _, ...rest } = options;
  const httpServer = await startHttpServer({
    ...rest,
    host: http,
    port: 0,
    portKey: 'node.dataDir',
    certificate: undefined,
    player: forWorkers(player),
    maxConnections: httpSockets(connections.limit, config),
    onRefused: (protocol, reason) => connections.refuse(protocol, reason),
  });
  const closing = async (reason: CloseReason) => {
    await Promise.all(members.map((member) => member.close(reason)));
    await Promise.all([linkServer.close(), httpServer.close()]);
    rmSync(folder, { recursive: true, force: true });
  };
  let closed: Promise<void> | undefined;
  const close = (reason: CloseReason) => (closed ??= closing(reason));

  const start = { node, config: config as Config, links, http };
  for (let index = 1; index <= options.workers; index += 1) {
    const nextRun = () => (lastRun += 1);
    members.push(new CrewMember({ index, start, nextRun, events: events(index), logger }));
  }
  const tell = (message: ToWorker) => {
    for (const member of members) member.send(message);
  };
  try {
    const [ports] = await Promise.all(members.map((member) => member.start()));
    return {
      ports: ports as Listeners['ports'],
      processes: processesOf(runs),
      get mergeWindowMs() {
        return Math.max(0, ...[...runs.values()].map((run) => run.mergeWindowMs));
      },
      get longestFlushMs() {
        return Math.max(0, ...[...runs.values()].map((run) => run.longestFlushMs));
      },
      list: () =>
        members.map(({ index, pid, restarts, run }) => ({ index, pid, restarts, viewers: connections.viewersOf(run) })),
      async askToReconnect(request) {
        const asking = [...runs.values()].map((run) =>
          answerOf<number>(run, run.takeTold, { kind: 'ask-to-reconnect', request }, 0),
        );
        return (await Promise.all(asking)).reduce((sum, told) => sum + told, 0);
      },
      configure(next) {
        start.config = next as Config;
        httpServer.setMaxConnections(httpSockets(next.limits.connections, next));
        tell({ kind: 'configure', config: start.config });
      },
      connectionsOf: async () => (await Promise.all([...runs.values()].map(connectionsOn))).flat(),
      close,
    };
  } catch (error) {
    await close('shutdown');
    throw error;
  }
}

/** What a worker answers to `question`, by one of those who wait in `takers`; `fallback` when it is too busy for that. */
function answerOf<T>({ send }: Run, takers: ((answer: T) => void)[], question: ToWorker, fallback: T): Promise<T> {
  return new Promise((resolve) => {
    takers.push(resolve);
    setTimeout(() => resolve(fallback), ANSWER_MS).unref();
    send(question);
  });
}

/** The open connections of one worker; they can be kicked, and are counted as they were when it answered. */
async function connectionsOn(run: Run): Promise<OpenConnection[]> {
  const { send } = run;
  const list = await answerOf<SentConnection[]>(run, run.takeList, { kind: 'list' }, []);
  return list.map(({ opened, framesDropped, socket }) => {
    const kick: Kick = (reason = 'kicked') => send({ kind: 'kick', connection: opened.id, reason });
    const { id, clientAddress: remoteAddress, clientPort: remotePort } = opened;
    return { id, opened, framesDropped, socket: { ...socket, remoteAddress, remotePort }, kick, close: () => kick() };
  });
}

/** Asks every worker for its process's figures. */
function processesOf(runs: ReadonlyMap<number, Run>): MetricSource {
  return {
    async sample(measure, { elapsedMs }) {
      await Promise.all(
        [...runs.values()].map(async (run) => {
          const figures = await answerOf<SentFigure[]>(run, run.takeFigures, { kind: 'figures', elapsedMs }, []);
          for (const [name, value, attributes] of figures) {
            // The node's uptime is the primary's.
            if (name !== 'process.uptime') measure(name, value, { ...attributes, 'weir.worker': String(run.index) });
          }
        }),
      );
    },
  };
}
