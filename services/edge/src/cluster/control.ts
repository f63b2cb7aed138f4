/**
 * What other members and operators tell a node over NATS: requests to drain or to show its streams, and suspicions about
 * nodes. Before it: `weir drain`, `weir streams`, other nodes' pulls; after it: the node, which answers at once.
 */
import type { Msg, Subscription } from '@nats-io/transport-node';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import type { ControlAnswer, ControlRequest } from '@weir/contracts/nats/control';
import { CLUSTER_SUBJECT } from '@weir/contracts/nats/names';
import type { RivalRecord } from '@weir/contracts/nats/records';

/** Options of {@link startControl}. */
export interface ControlOptions {
  nats: NatsHandle;
  node: string;
  /** Answers a request. */
  answer(request: ControlRequest): ControlAnswer;
  /** Somebody lost its connection to `node`. */
  onSuspect(node: string): void;
  /** Another machine asked for this node's name. */
  onRival(rival: RivalRecord): void;
  logger: Logger;
}

/** The listener. */
export interface Control {
  /** Tells all nodes that the connection to `node` was lost; not more than once a second and node. */
  tellSuspect(node: string): void;
  /** Tells the holder of this node's name who was refused it. */
  tellRival(rival: RivalRecord): void;
  close(): void;
}

const TELL_AGAIN_MS = 1_000;

/** Listens from each time NATS is connected; waits for nothing. */
export function startControl(options: ControlOptions): Control {
  const { nats, node, logger } = options;
  const toldMs = new Map<string, number>();
  let subscriptions: Subscription[] = [];
  let subscribedOn: unknown;

  const reply = (message: Msg) => {
    let answer: ControlAnswer;
    try {
      answer = options.answer(message.json<ControlRequest>());
    } catch (error) {
      answer = { ok: false, node, message: `The request was not understood: ${errorMessage(error)}` };
    }
    message.respond(JSON.stringify(answer));
  };
  const heardRival = (message: Msg) => {
    try {
      options.onRival(message.json<RivalRecord>());
    } catch (error) {
      logger.warn({ reason: errorMessage(error) }, 'a rival for the name could not be understood');
    }
  };
  const subscribe = () => {
    const { connection, state } = nats;
    // The connection brings its subscriptions back by itself; a new one has none.
    if (state !== 'connected' || !connection || connection === subscribedOn) return;
    subscribedOn = connection;
    const on = (subject: string, callback: (message: Msg) => void) =>
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error) logger.warn({ subject, reason: error.message }, 'NATS does not let this node listen');
          else callback(message);
        },
      });
    subscriptions = [
      on(CLUSTER_SUBJECT.control(node), reply),
      on(CLUSTER_SUBJECT.controlAll, reply),
      on(CLUSTER_SUBJECT.suspect('*'), ({ subject }) => options.onSuspect(subject.split('.').at(-1) ?? '')),
      on(CLUSTER_SUBJECT.rival(node), heardRival),
    ];
  };
  const stopListening = nats.onChange(subscribe);
  subscribe();
  return {
    tellSuspect(suspect) {
      const nowMs = Date.now();
      if (nats.state !== 'connected' || nowMs - (toldMs.get(suspect) ?? 0) < TELL_AGAIN_MS) return;
      toldMs.set(suspect, nowMs);
      nats.connection?.publish(CLUSTER_SUBJECT.suspect(suspect));
    },
    tellRival(rival) {
      if (nats.state === 'connected') nats.connection?.publish(CLUSTER_SUBJECT.rival(node), JSON.stringify(rival));
    },
    close() {
      stopListening();
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}
