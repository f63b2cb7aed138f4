/**
 * The metric catalogue: every metric Weir itself reports, with its OpenTelemetry instrument, unit (UCUM) and attributes.
 * The edge creates its instruments from it, ingest decides by it whose figure a metric is, dashboards and docs take names
 * from it. Host and process names are OpenTelemetry's (semantic conventions 1.44); `live.*` is Weir's proposal for live media.
 */

import { INGEST_METRICS } from './ingest-metrics.ts';
import { SITE_METRICS } from './site-metrics.ts';

export type InstrumentKind = 'counter' | 'up-down-counter' | 'gauge' | 'histogram';

/**
 * Whose figure it is. `machine`: reported once per machine by its elected reporter, stored with an empty `node`;
 * `node`: one node's media; `process`: one process of a node (a worker has its number in the attribute `weir.worker`).
 */
export type MetricScope = 'machine' | 'node' | 'process';

export interface MetricDefinition {
  readonly name: string;
  readonly kind: InstrumentKind;
  /** UCUM. */
  readonly unit: string;
  readonly scope: MetricScope;
  readonly attributes: readonly string[];
  readonly description: string;
  /**
   * Smallest step that means anything, a power of ten in {@link unit}: figures are told in multiples of it. Digits beyond
   * are noise (a share of some hundred clock ticks has no 17 digits) and cost six bytes a sample on disk.
   */
  readonly resolution?: number;
}

function define<const T extends Record<string, Omit<MetricDefinition, 'name'>>>(
  definitions: T,
): { readonly [K in keyof T]: MetricDefinition } {
  const entries = Object.entries(definitions).map(([name, definition]) => [name, { name, ...definition }]);
  return Object.freeze(Object.fromEntries(entries));
}

/** All metrics by name. Counters travel as deltas, gauges as they are. */
export const METRICS = define({
  'system.cpu.time': {
    kind: 'counter',
    unit: 's',
    resolution: 0.01,
    scope: 'machine',
    attributes: ['cpu.mode'],
    description: 'CPU time of all logical processors by mode',
  },
  'system.cpu.utilization': {
    kind: 'gauge',
    unit: '1',
    resolution: 0.0001,
    scope: 'machine',
    attributes: ['cpu.mode'],
    description:
      'Share of the time of all logical processors by mode since the last sample; the mode "used" is 1 - idle - iowait',
  },
  'system.cpu.logical.count': {
    kind: 'gauge',
    unit: '{cpu}',
    scope: 'machine',
    attributes: [],
    description: 'Logical processors',
  },
  'system.memory.usage': {
    kind: 'gauge',
    unit: 'By',
    scope: 'machine',
    attributes: ['system.memory.state'],
    description: 'Memory by state: used (not reclaimable), free, cached, buffers',
  },
  'system.memory.utilization': {
    kind: 'gauge',
    unit: '1',
    resolution: 0.0001,
    scope: 'machine',
    attributes: ['system.memory.state'],
    description: 'Share of the memory by state',
  },
  'system.memory.limit': {
    kind: 'gauge',
    unit: 'By',
    scope: 'machine',
    attributes: [],
    description: 'Memory of the machine',
  },
  'system.network.io': {
    kind: 'counter',
    unit: 'By',
    scope: 'machine',
    attributes: ['network.interface.name', 'network.io.direction'],
    description: 'Bytes per network card and direction (receive, transmit)',
  },
  'system.network.packet.dropped': {
    kind: 'counter',
    unit: '{packet}',
    scope: 'machine',
    attributes: ['network.interface.name', 'network.io.direction'],
    description: 'Packets dropped per network card',
  },
  'system.network.speed': {
    kind: 'gauge',
    unit: 'bit/s',
    scope: 'machine',
    attributes: ['network.interface.name'],
    description: 'Speed of a network card as the kernel or the configuration says; absent when neither knows',
  },
  'system.filesystem.usage': {
    kind: 'gauge',
    unit: 'By',
    scope: 'machine',
    attributes: ['system.device', 'system.filesystem.mountpoint', 'system.filesystem.state'],
    description: 'Bytes of a file system by state (used, free)',
  },
  'system.filesystem.utilization': {
    kind: 'gauge',
    unit: '1',
    resolution: 0.0001,
    scope: 'machine',
    attributes: ['system.device', 'system.filesystem.mountpoint'],
    description: 'Used share of a file system',
  },
  'system.clock.offset': {
    kind: 'gauge',
    unit: 's',
    resolution: 0.0001,
    scope: 'machine',
    attributes: [],
    description: 'Clock of the machine minus the clock of the NATS server',
  },
  'process.cpu.time': {
    kind: 'counter',
    unit: 's',
    resolution: 0.0001,
    scope: 'process',
    attributes: ['cpu.mode', 'weir.worker'],
    description: 'CPU time of the process (user, system)',
  },
  'process.cpu.utilization': {
    kind: 'gauge',
    unit: '1',
    resolution: 0.0001,
    scope: 'process',
    attributes: ['weir.worker'],
    description: 'CPU of the process since the last sample, 1 = one core',
  },
  'process.memory.usage': {
    kind: 'gauge',
    unit: 'By',
    scope: 'process',
    attributes: ['weir.worker'],
    description: 'Resident memory of the process',
  },
  'process.uptime': {
    kind: 'gauge',
    unit: 's',
    resolution: 0.1,
    scope: 'process',
    attributes: [],
    description: 'Time since the process started',
  },
  'nodejs.eventloop.delay.p99': {
    kind: 'gauge',
    unit: 's',
    resolution: 0.0001,
    scope: 'process',
    attributes: ['weir.worker'],
    description: '99th percentile of the event-loop delay since the last sample',
  },
  'nodejs.eventloop.delay.max': {
    kind: 'gauge',
    unit: 's',
    resolution: 0.0001,
    scope: 'process',
    attributes: ['weir.worker'],
    description: 'Largest event-loop delay since the last sample',
  },
  'live.connections': {
    kind: 'gauge',
    unit: '{connection}',
    scope: 'node',
    attributes: ['role', 'protocol'],
    description: 'Open connections by role (publisher, viewer, relay) and protocol (rtmp, http-flv …)',
  },
  'live.connections.opened': {
    kind: 'counter',
    unit: '{connection}',
    scope: 'node',
    attributes: ['role', 'protocol'],
    description: 'Connections that became a publisher, viewer or relay',
  },
  'live.connections.closed': {
    kind: 'counter',
    unit: '{connection}',
    scope: 'node',
    attributes: ['role', 'protocol', 'reason'],
    description: 'Connections that ended, by reason',
  },
  'live.connections.refused': {
    kind: 'counter',
    unit: '{connection}',
    scope: 'node',
    attributes: ['protocol', 'reason'],
    description:
      'Connections that never got a role, by reason (limit, bad-handshake, protocol-error, stream-busy, stream-not-found, silent …)',
  },
  'live.connections.limit': {
    kind: 'gauge',
    unit: '{connection}',
    scope: 'node',
    attributes: [],
    description: 'Connections this node accepts at most',
  },
  'live.io': {
    kind: 'counter',
    unit: 'By',
    scope: 'node',
    attributes: ['network.io.direction', 'role'],
    description: 'Bytes received from and handed to the sockets of publishers, viewers and relays',
  },
  'live.streams': {
    kind: 'gauge',
    unit: '{stream}',
    scope: 'node',
    attributes: ['source'],
    description: 'Streams on the node by source (publisher, relay)',
  },
  'live.app.viewers': {
    kind: 'gauge',
    unit: '{viewer}',
    scope: 'node',
    attributes: ['app'],
    description: 'Viewers of one app (a customer’s channel) on this node, by any protocol, relays not counted',
  },
  'live.app.publishers': {
    kind: 'gauge',
    unit: '{publisher}',
    scope: 'node',
    attributes: ['app'],
    description: 'Publishers of one app on this node',
  },
  'live.app.io': {
    kind: 'counter',
    unit: 'By',
    scope: 'node',
    attributes: ['app', 'network.io.direction'],
    description: 'Bytes on the sockets of one app’s clients: received from its publishers, handed to its viewers',
  },
  'live.stream.viewers': {
    kind: 'gauge',
    unit: '{viewer}',
    scope: 'node',
    attributes: ['app', 'stream'],
    description: 'Viewers of one stream on this node, relays not counted',
  },
  'live.stream.io': {
    kind: 'counter',
    unit: 'By',
    scope: 'node',
    attributes: ['app', 'stream', 'network.io.direction'],
    description: 'Media bytes of one stream in and out',
  },
  'live.stream.bitrate': {
    kind: 'gauge',
    unit: 'bit/s',
    resolution: 100,
    scope: 'node',
    attributes: ['app', 'stream'],
    description: 'Incoming bitrate of one stream since the last sample',
  },
  'live.stream.frames': {
    kind: 'counter',
    unit: '{frame}',
    scope: 'node',
    attributes: ['app', 'stream', 'media'],
    description: 'Incoming video and audio messages of one stream',
  },
  'live.viewer.frames.dropped': {
    kind: 'counter',
    unit: '{frame}',
    scope: 'node',
    attributes: [],
    description: 'Messages not sent to slow viewers',
  },
  'live.send.queue': {
    kind: 'gauge',
    unit: 'By',
    scope: 'node',
    attributes: [],
    description: 'Bytes queued for all viewers and relays, not yet taken by the kernel',
  },
  'live.merge.window': {
    kind: 'gauge',
    unit: 's',
    scope: 'node',
    attributes: [],
    description: 'Merge window in force',
  },
  'live.merge.flush': {
    kind: 'gauge',
    unit: 's',
    scope: 'node',
    attributes: [],
    description: 'Longest time one flush of the fan-out held the event loop within the last ten seconds',
  },
  'live.relay.pulls': {
    kind: 'gauge',
    unit: '{relay}',
    scope: 'node',
    attributes: ['state'],
    description: 'Upstream pulls by state',
  },
  'live.relay.switches': {
    kind: 'counter',
    unit: '{switch}',
    scope: 'node',
    attributes: ['cause'],
    description: 'Changes of the upstream of a running pull',
  },
  'live.relay.hops': {
    kind: 'gauge',
    unit: '{node}',
    scope: 'node',
    attributes: [],
    description: 'Nodes between the publisher and this one, the most of all streams here; relay.maxHops limits it',
  },
  'live.relay.refused': {
    kind: 'counter',
    unit: '{relay}',
    scope: 'node',
    attributes: ['reason'],
    description:
      'Pulls of other nodes that were refused: no proven claim, a circle or too many hops, a stream that is not here',
  },
  'live.cluster.changes': {
    kind: 'counter',
    unit: '{change}',
    scope: 'node',
    attributes: ['event', 'cause'],
    description: 'Nodes that came or went, edges elected origin or relieved, told by one node each',
  },
  'live.stream.changes': {
    kind: 'counter',
    unit: '{change}',
    scope: 'node',
    attributes: ['change', 'cause'],
    description: 'Streams that got a publisher on this node or lost it, as the directory has it',
  },
  'live.node.weight': {
    kind: 'gauge',
    unit: '1',
    scope: 'node',
    attributes: [],
    description: 'How much more the node can take, 0 (nothing) to 100 (idle), as load balancers are told',
  },
  'live.external.links': {
    kind: 'gauge',
    unit: '{link}',
    scope: 'node',
    attributes: ['direction', 'state'],
    description: 'Streams pulled from and pushed to servers that are no members, by state',
  },
  'live.external.failures': {
    kind: 'counter',
    unit: '{failure}',
    scope: 'node',
    attributes: ['direction'],
    description: 'Times such a server refused a stream, was lost or fell silent',
  },
  'live.external.frames.dropped': {
    kind: 'counter',
    unit: '{frame}',
    scope: 'node',
    attributes: [],
    description: 'Messages not sent to servers that take less than the stream',
  },
  'live.failover.gap': {
    kind: 'histogram',
    unit: 's',
    scope: 'node',
    attributes: ['cause'],
    description: 'Time without media for the viewers of a stream whose upstream changed',
  },
  'weir.outbox.messages': {
    kind: 'gauge',
    unit: '{message}',
    scope: 'process',
    attributes: [],
    description: 'Telemetry messages waiting in the outbox',
  },
  'weir.outbox.size': {
    kind: 'gauge',
    unit: 'By',
    scope: 'process',
    attributes: [],
    description: 'Bytes waiting in the outbox',
  },
  'weir.outbox.dropped': {
    kind: 'counter',
    unit: '{message}',
    scope: 'process',
    attributes: ['reason'],
    description:
      'Telemetry messages the outbox had to drop, by reason: size, age, disk (could not be written), refused (too large for NATS)',
  },
  'weir.events.dropped': {
    kind: 'counter',
    unit: '{event}',
    scope: 'process',
    attributes: [],
    description: 'Connection and fail-over events that came faster than they could be written to the outbox',
  },
  ...INGEST_METRICS,
  ...SITE_METRICS,
});

export type MetricName = keyof typeof METRICS;

/** Scope of any metric, also of one that is not ours: `system.*` and `hw.*` describe the machine, all else the node. */
export function metricScope(name: string): MetricScope {
  const known = (METRICS as Record<string, MetricDefinition>)[name];
  if (known) return known.scope;
  return name.startsWith('system.') || name.startsWith('hw.') ? 'machine' : 'node';
}
