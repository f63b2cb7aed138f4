/**
 * Connections that opened and closed and fail-overs as OTLP log records. Before it: media, which is answered at once;
 * after it: the SDK's batch processor and the outbox. Until the SDK is loaded events wait in memory. More than
 * {@link EVENT_QUEUE_MAX} on their way are dropped and counted.
 */
import type { Attributes, Logger as EventLogger } from '@opentelemetry/api';
import {
  ADMIN_ATTRIBUTE,
  CLUSTER_ATTRIBUTE,
  CONNECTION_ATTRIBUTE,
  EVENT,
  FAILOVER_ATTRIBUTE,
  NODE_MARK_ATTRIBUTE,
} from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import type {
  AdminAction,
  ClusterEvent,
  ConnectionClosed,
  ConnectionOpened,
  FailoverHappened,
  MediaObserver,
} from '../stats.ts';
import type { Measure } from './measurement.ts';
import { MAX_NAME_LENGTH } from './media-metrics.ts';

/** Events on their way at most: two full nodes whose connections all end at once. */
export const EVENT_QUEUE_MAX = 32_768;

const MAX_USER_AGENT_LENGTH = 200;

/** The observer, and what feeds it into the SDK. */
export interface Events {
  readonly observer: MediaObserver;
  /** Events dropped since start. */
  readonly dropped: number;
  /** Hands over what waits and all that comes. */
  attach(logger: EventLogger, measure: Measure): void;
  /** Tells that the outbox has taken `count` records. */
  written(count: number): void;
}

interface Event {
  name: string;
  timeMs: number;
  attributes: Attributes;
  /** For people. */
  body?: string;
  gap?: { seconds: number; cause: string };
}

/** An observer that never throws and never waits. */
export function createEvents(logger: Logger): Events {
  const waiting: Event[] = [];
  let sink: { logger: EventLogger; measure: Measure } | undefined;
  let onTheirWay = 0;
  let dropped = 0;

  const emit = ({ name, timeMs, attributes, body, gap }: Event) => {
    const seconds = Math.floor(timeMs / 1_000);
    const timestamp: [number, number] = [seconds, Math.round((timeMs - seconds * 1_000) * 1e6)];
    sink?.logger.emit({ eventName: name, timestamp, attributes, ...(body === undefined ? {} : { body }) });
    if (gap) sink?.measure('live.failover.gap', gap.seconds, { cause: gap.cause });
  };
  const accept = <T>(happened: T, toEvent: (happened: T) => Event) => {
    if (onTheirWay >= EVENT_QUEUE_MAX) {
      dropped++;
      return;
    }
    onTheirWay++;
    try {
      const event = toEvent(happened);
      if (sink) emit(event);
      else waiting.push(event);
    } catch (error) {
      onTheirWay--;
      dropped++;
      logger.error({ err: error }, 'an event could not be recorded');
    }
  };

  return {
    observer: {
      connectionOpened: (connection) => accept(connection, openedEvent),
      connectionClosed: (connection) => accept(connection, closedEvent),
      failover: (failover) => accept(failover, failoverEvent),
      clusterChanged: (event) => accept(event, clusterEvent),
      adminAction: (action) => accept(action, adminEvent),
    },
    get dropped() {
      return dropped;
    },
    attach(eventLogger, measure) {
      sink = { logger: eventLogger, measure };
      for (const event of waiting.splice(0)) emit(event);
    },
    written(count) {
      onTheirWay -= count;
    },
  };
}

function adminEvent(action: AdminAction): Event {
  const attributes = {
    [ADMIN_ATTRIBUTE.action]: action.action,
    [ADMIN_ATTRIBUTE.target]: action.target,
    [ADMIN_ATTRIBUTE.outcome]: action.outcome,
    [ADMIN_ATTRIBUTE.right]: action.right,
    [ADMIN_ATTRIBUTE.actor]: action.actor,
    [ADMIN_ATTRIBUTE.clientAddress]: action.clientAddress,
  };
  return { name: EVENT.adminAction, timeMs: action.atMs, attributes, body: action.detail };
}

function openedEvent(connection: ConnectionOpened): Event {
  return { name: EVENT.connectionOpened, timeMs: connection.openedAtMs, attributes: openedAttributes(connection) };
}

function openedAttributes(connection: ConnectionOpened): Attributes {
  return {
    [CONNECTION_ATTRIBUTE.id]: connection.id,
    [CONNECTION_ATTRIBUTE.role]: connection.role,
    [CONNECTION_ATTRIBUTE.protocol]: connection.protocol,
    [CONNECTION_ATTRIBUTE.app]: connection.app.slice(0, MAX_NAME_LENGTH),
    [CONNECTION_ATTRIBUTE.stream]: connection.stream.slice(0, MAX_NAME_LENGTH),
    [CONNECTION_ATTRIBUTE.clientAddress]: connection.clientAddress,
    [CONNECTION_ATTRIBUTE.clientPort]: connection.clientPort,
    [CONNECTION_ATTRIBUTE.session]: connection.session.slice(0, MAX_NAME_LENGTH),
    [CONNECTION_ATTRIBUTE.userAgent]: connection.userAgent.slice(0, MAX_USER_AGENT_LENGTH),
    [CONNECTION_ATTRIBUTE.openedAtMs]: connection.openedAtMs,
  };
}

function closedEvent(connection: ConnectionClosed): Event {
  const attributes = {
    ...openedAttributes(connection),
    [CONNECTION_ATTRIBUTE.reason]: connection.reason,
    [CONNECTION_ATTRIBUTE.bytesIn]: connection.bytesIn,
    [CONNECTION_ATTRIBUTE.bytesQueued]: connection.bytesQueued,
    [CONNECTION_ATTRIBUTE.bytesDelivered]: connection.bytesDelivered,
    [CONNECTION_ATTRIBUTE.framesDropped]: connection.framesDropped,
  };
  return { name: EVENT.connectionClosed, timeMs: connection.closedAtMs, attributes };
}

function clusterEvent(event: ClusterEvent): Event {
  const timeMs = Date.now();
  if (event.kind === 'mark') {
    return {
      name: EVENT.nodeMark,
      timeMs,
      attributes: { [NODE_MARK_ATTRIBUTE.mark]: event.mark },
      body: event.reason,
    };
  }
  const attributes = { [CLUSTER_ATTRIBUTE.event]: event.event, [CLUSTER_ATTRIBUTE.node]: event.node };
  return { name: EVENT.cluster, timeMs, attributes };
}

function failoverEvent(failover: FailoverHappened): Event {
  const attributes = {
    [FAILOVER_ATTRIBUTE.app]: failover.app.slice(0, MAX_NAME_LENGTH),
    [FAILOVER_ATTRIBUTE.stream]: failover.stream.slice(0, MAX_NAME_LENGTH),
    [FAILOVER_ATTRIBUTE.cause]: failover.cause,
    [FAILOVER_ATTRIBUTE.from]: failover.from,
    [FAILOVER_ATTRIBUTE.to]: failover.to,
    [FAILOVER_ATTRIBUTE.gapMs]: failover.gapMs,
    [FAILOVER_ATTRIBUTE.viewers]: failover.viewers,
  };
  const gap = { seconds: failover.gapMs / 1_000, cause: failover.cause };
  return { name: EVENT.failover, timeMs: failover.noticedAtMs, attributes, gap };
}
