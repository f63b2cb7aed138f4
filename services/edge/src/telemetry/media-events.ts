/**
 * Connections that opened and closed, fail-overs, and what the cluster and administrators did, as OTLP log records. Before
 * it: media, which is answered at once; after it: the event queue.
 */
import type { Attributes } from '@opentelemetry/api';
import type { AddressPolicy } from '@weir/contracts/addresses';
import {
  ADMIN_ATTRIBUTE,
  CLUSTER_ATTRIBUTE,
  CONNECTION_ATTRIBUTE,
  EVENT,
  FAILOVER_ATTRIBUTE,
  NODE_MARK_ATTRIBUTE,
  STREAM_CHANGE_ATTRIBUTE,
} from '@weir/contracts/events';
import type { EventQueue, TelemetryEvent } from '@weir/telemetry/event-queue';
import type {
  AdminAction,
  ClusterEvent,
  ConnectionClosed,
  ConnectionOpened,
  FailoverHappened,
  MediaObserver,
  StreamChange,
} from '../stats.ts';
import { MAX_NAME_LENGTH } from './media-metrics.ts';

const MAX_USER_AGENT_LENGTH = 200;

/** An observer that never throws and never waits. */
export function mediaEvents(queue: EventQueue, addresses: AddressPolicy): MediaObserver {
  return {
    connectionOpened: (connection) => queue.record(() => openedEvent(connection, addresses)),
    connectionClosed: (connection) => queue.record(() => closedEvent(connection, addresses)),
    failover: (failover) => queue.record(() => failoverEvent(failover)),
    clusterChanged: (event) => queue.record(() => clusterEvent(event)),
    streamChanged: (change) => queue.record(() => streamEvent(change)),
    adminAction: (action) => queue.record(() => adminEvent(action, addresses)),
  };
}

function adminEvent(action: AdminAction, addresses: AddressPolicy): TelemetryEvent {
  const attributes = {
    [ADMIN_ATTRIBUTE.action]: action.action,
    [ADMIN_ATTRIBUTE.target]: action.target,
    [ADMIN_ATTRIBUTE.outcome]: action.outcome,
    [ADMIN_ATTRIBUTE.right]: action.right,
    [ADMIN_ATTRIBUTE.actor]: action.actor,
    [ADMIN_ATTRIBUTE.clientAddress]: addresses.client(action.clientAddress, action.atMs),
  };
  return { name: EVENT.adminAction, timeMs: action.atMs, attributes, body: action.detail };
}

function openedEvent(connection: ConnectionOpened, addresses: AddressPolicy): TelemetryEvent {
  const attributes = openedAttributes(connection, addresses);
  return { name: EVENT.connectionOpened, timeMs: connection.openedAtMs, attributes };
}

/** Address and key are those of the connection's beginning, also when it ends: both events tell the same. */
function openedAttributes(connection: ConnectionOpened, addresses: AddressPolicy): Attributes {
  return {
    [CONNECTION_ATTRIBUTE.id]: connection.id,
    [CONNECTION_ATTRIBUTE.role]: connection.role,
    [CONNECTION_ATTRIBUTE.protocol]: connection.protocol,
    [CONNECTION_ATTRIBUTE.app]: connection.app.slice(0, MAX_NAME_LENGTH),
    [CONNECTION_ATTRIBUTE.stream]: connection.stream.slice(0, MAX_NAME_LENGTH),
    [CONNECTION_ATTRIBUTE.clientAddress]: addresses.client(connection.clientAddress, connection.openedAtMs),
    [CONNECTION_ATTRIBUTE.clientPort]: addresses.keepsPort ? connection.clientPort : 0,
    [CONNECTION_ATTRIBUTE.session]: connection.session.slice(0, MAX_NAME_LENGTH),
    [CONNECTION_ATTRIBUTE.userAgent]: connection.userAgent.slice(0, MAX_USER_AGENT_LENGTH),
    [CONNECTION_ATTRIBUTE.openedAtMs]: connection.openedAtMs,
  };
}

function closedEvent(connection: ConnectionClosed, addresses: AddressPolicy): TelemetryEvent {
  const attributes = {
    ...openedAttributes(connection, addresses),
    [CONNECTION_ATTRIBUTE.reason]: connection.reason,
    [CONNECTION_ATTRIBUTE.bytesIn]: connection.bytesIn,
    [CONNECTION_ATTRIBUTE.bytesQueued]: connection.bytesQueued,
    [CONNECTION_ATTRIBUTE.bytesDelivered]: connection.bytesDelivered,
    [CONNECTION_ATTRIBUTE.framesDropped]: connection.framesDropped,
  };
  return { name: EVENT.connectionClosed, timeMs: connection.closedAtMs, attributes };
}

function clusterEvent(event: ClusterEvent): TelemetryEvent {
  const timeMs = Date.now();
  if (event.kind === 'mark') {
    return {
      name: EVENT.nodeMark,
      timeMs,
      attributes: { [NODE_MARK_ATTRIBUTE.mark]: event.mark },
      body: event.reason,
    };
  }
  const { event: what, node, cause } = event;
  const attributes = {
    [CLUSTER_ATTRIBUTE.event]: what,
    [CLUSTER_ATTRIBUTE.node]: node,
    [CLUSTER_ATTRIBUTE.cause]: cause,
  };
  const observed = { metric: 'live.cluster.changes', value: 1, attributes: { event: what, cause } } as const;
  return { name: EVENT.cluster, timeMs, attributes, observed };
}

function streamEvent({ stream, change, cause, from, to }: StreamChange): TelemetryEvent {
  const slash = stream.indexOf('/');
  const attributes = {
    [STREAM_CHANGE_ATTRIBUTE.app]: stream.slice(0, slash).slice(0, MAX_NAME_LENGTH),
    [STREAM_CHANGE_ATTRIBUTE.stream]: stream.slice(slash + 1).slice(0, MAX_NAME_LENGTH),
    [STREAM_CHANGE_ATTRIBUTE.change]: change,
    [STREAM_CHANGE_ATTRIBUTE.cause]: cause,
    [STREAM_CHANGE_ATTRIBUTE.from]: from,
    [STREAM_CHANGE_ATTRIBUTE.to]: to,
  };
  const observed = { metric: 'live.stream.changes', value: 1, attributes: { change, cause } } as const;
  return { name: EVENT.streamChange, timeMs: Date.now(), attributes, observed };
}

function failoverEvent(failover: FailoverHappened): TelemetryEvent {
  const attributes = {
    [FAILOVER_ATTRIBUTE.app]: failover.app.slice(0, MAX_NAME_LENGTH),
    [FAILOVER_ATTRIBUTE.stream]: failover.stream.slice(0, MAX_NAME_LENGTH),
    [FAILOVER_ATTRIBUTE.cause]: failover.cause,
    [FAILOVER_ATTRIBUTE.from]: failover.from,
    [FAILOVER_ATTRIBUTE.to]: failover.to,
    [FAILOVER_ATTRIBUTE.gapMs]: failover.gapMs,
    ...(failover.mediaGapMs === undefined ? {} : { [FAILOVER_ATTRIBUTE.mediaGapMs]: failover.mediaGapMs }),
    [FAILOVER_ATTRIBUTE.viewers]: failover.viewers,
  };
  const seconds = failover.gapMs / 1_000;
  const observed = { metric: 'live.failover.gap', value: seconds, attributes: { cause: failover.cause } } as const;
  return { name: EVENT.failover, timeMs: failover.noticedAtMs, attributes, observed };
}
