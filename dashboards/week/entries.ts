/** What machines, processes, media nodes and ingest of the generated week report, as SQL over the columns of week/states.ts. */
import { type Entry, entry, noise } from './sql.ts';

const NETWORK = (direction: string) => ({ 'network.interface.name': 'eth0', 'network.io.direction': direction });

/** Metrics of a machine; one of its nodes reports them with an empty node name. */
export function machineEntries(): Entry[] {
  const memory = 17_179_869_184;
  const used = `least(0.97, 0.22 + viewers * 0.0004 + if(fat, 0.66, 0))`;
  const disk = `least(0.99, 0.41 + 0.02 * i / 20 + if(full, 0.52, 0))`;
  return [
    entry('system.cpu.utilization', { 'cpu.mode': 'used' }, 'cpu'),
    entry('system.cpu.utilization', { 'cpu.mode': 'user' }, 'cpu * 0.55'),
    entry('system.cpu.utilization', { 'cpu.mode': 'system' }, 'cpu * 0.45'),
    entry('system.cpu.utilization', { 'cpu.mode': 'iowait' }, '0.004'),
    entry('system.cpu.utilization', { 'cpu.mode': 'idle' }, 'greatest(0, 0.996 - cpu)'),
    entry('system.cpu.logical.count', {}, '8'),
    entry('system.memory.utilization', { 'system.memory.state': 'used' }, used),
    entry('system.memory.usage', { 'system.memory.state': 'used' }, `${memory} * ${used}`),
    entry('system.memory.usage', { 'system.memory.state': 'cached' }, `${memory} * 0.02`),
    entry('system.memory.usage', { 'system.memory.state': 'free' }, `${memory} * (0.98 - ${used})`),
    entry('system.memory.limit', {}, String(memory)),
    entry('system.network.io', NETWORK('receive'), 'sent_bits / 8 * 0.06 + 20000'),
    entry('system.network.io', NETWORK('transmit'), 'sent_bits / 8'),
    entry('system.network.packet.dropped', NETWORK('transmit'), 'if(slow, 220, 0)'),
    entry('system.network.speed', { 'network.interface.name': 'eth0' }, 'card_bits'),
    entry('system.filesystem.utilization', { 'system.device': 'vda1', 'system.filesystem.mountpoint': '/' }, disk),
    entry(
      'system.filesystem.usage',
      { 'system.device': 'vda1', 'system.filesystem.mountpoint': '/', 'system.filesystem.state': 'used' },
      `4e11 * ${disk}`,
    ),
    entry('system.clock.offset', {}, `0.004 * ${noise(7)} + if(clock_off, 3.4, 0)`),
  ];
}

/** Metrics of every process, whatever it does. */
export function processEntries(): Entry[] {
  return [
    entry('process.cpu.utilization', {}, 'cpu * 6'),
    entry('process.memory.usage', {}, '9e7 + viewers * 35000'),
    entry('process.uptime', {}, 'uptime'),
    entry('nodejs.eventloop.delay.p99', {}, `0.003 + 0.004 * cpu + if(slow, 0.09, 0) + 0.001 * ${noise(8)}`),
    entry('nodejs.eventloop.delay.max', {}, `0.012 + 0.01 * cpu + if(slow, 0.3, 0) + 0.004 * ${noise(9)}`),
    entry('weir.samples.skipped', {}, '0'),
    entry('weir.outbox.messages', {}, `if(filling, 900, 1 + abs(${noise(10)}))`),
    entry('weir.outbox.size', {}, 'if(filling, 900, 1) * 9000'),
    entry('weir.outbox.dropped', { reason: 'age' }, 'if(filling, 2, 0)'),
  ];
}

/** Metrics of an edge or origin. */
export function mediaEntries(): Entry[] {
  const viewer = { role: 'viewer', protocol: 'rtmp' };
  const slowShare = 'if(slow, 0.6, 0)';
  return [
    entry('live.connections', { role: 'publisher', protocol: 'rtmp' }, 'if(edge, publishers, 0)'),
    entry('live.connections', viewer, 'if(edge, viewers * 0.7, 0)'),
    entry('live.connections', { role: 'viewer', protocol: 'http-flv' }, 'if(edge, viewers * 0.3, 0)'),
    entry('live.connections', { role: 'relay', protocol: 'rtmp' }, 'if(edge, 2, 30)'),
    entry('live.connections.opened', viewer, 'if(edge, opened, 0)'),
    entry('live.connections.opened', { role: 'relay', protocol: 'rtmp' }, '0.01'),
    entry('live.connections.closed', { ...viewer, reason: 'client-closed' }, 'if(edge, opened * 0.92, 0)'),
    entry('live.connections.closed', { ...viewer, reason: 'client-reset' }, 'if(edge, opened * 0.07, 0)'),
    entry(
      'live.connections.closed',
      { ...viewer, reason: 'slow-viewer' },
      `if(edge, opened * 0.005 + ${slowShare}, 0)`,
    ),
    entry('live.connections.refused', { protocol: 'rtmp', reason: 'bad-handshake' }, 'if(edge, 0.002, 0)'),
    entry('live.connections.refused', { protocol: 'rtmp', reason: 'limit' }, 'if(attacked, 4, 0)'),
    entry('live.connections.limit', {}, 'multiIf(narrow AND edge, viewers * 1.04, edge, 8000, 10000)'),
    entry('live.io', { 'network.io.direction': 'receive', role: 'publisher' }, 'if(edge, publishers * 110000, 0)'),
    entry('live.io', { 'network.io.direction': 'receive', role: 'relay' }, 'if(edge, 500000, 1500000)'),
    entry('live.io', { 'network.io.direction': 'transmit', role: 'viewer' }, 'if(edge, sent_bits / 8 * 0.98, 0)'),
    entry('live.io', { 'network.io.direction': 'transmit', role: 'relay' }, 'if(edge, 250000, 7000000)'),
    entry('live.streams', { source: 'publisher' }, 'if(edge, publishers, 0)'),
    entry('live.streams', { source: 'relay' }, 'if(edge, 4, 12)'),
    entry('live.viewer.frames.dropped', {}, 'if(slow, 800, 0.01)'),
    entry('live.send.queue', {}, `if(edge, viewers * 900 * (1 + ${noise(11)}) + if(slow, 4e8, 0), 1e5)`),
    entry('live.merge.window', {}, 'least(0.35, 0.02 + viewers * 0.0006)'),
    entry('live.merge.flush', {}, `viewers * 0.000004 * (1 + 0.5 * ${noise(21)}) + if(slow, 0.06, 0)`),
    entry('live.relay.pulls', { state: 'live' }, 'if(edge, 4, 12)'),
    entry('live.relay.switches', { cause: 'disconnected' }, '0'),
    // straight from the publisher's node to an origin, and over it to the edges; around a lost origin it takes one more
    entry('live.relay.hops', {}, 'if(edge, if(detour, 3, 2), 1)'),
    entry('live.relay.refused', { reason: 'stream-not-found' }, 'if(detour, 0.4, 0.001)'),
    // whose clock is off cannot prove itself to the origins
    entry('live.relay.refused', { reason: 'claim' }, 'if(edge, 0, if(doubted, 0.5, 0))'),
    entry('live.relay.refused', { reason: 'hops' }, 'if(edge AND detour, 0.05, 0)'),
    entry(
      'live.node.weight',
      {},
      `round(100 * greatest(0, 1 - greatest(cpu, sent_bits / card_bits, if(narrow AND edge, 0.96, 0))))`,
    ),
  ];
}

/** What the ingest copy says of itself. */
export function ingestEntries(): Entry[] {
  return [0, 1, 2, 3]
    .map((partition) =>
      entry(
        'weir.ingest.lag',
        { partition: String(partition) },
        `if(lagging, 12000, 2 + 2 * abs(${noise(12 + partition)}))`,
      ),
    )
    .concat([
      entry('weir.ingest.delay', {}, `if(lagging, 340, 0.9 + 0.3 * ${noise(17)})`),
      entry('weir.ingest.rows', { table: 'metric_samples' }, '270'),
      entry('weir.ingest.rows', { table: 'connection_events' }, '8'),
      entry('weir.ingest.messages', {}, '4.8'),
      entry('weir.ingest.received', {}, '43000'),
      entry('weir.ingest.repeats', {}, '0'),
      entry('weir.ingest.lost', {}, '0'),
      entry('weir.ingest.cpu.time', {}, `0.04 + 0.01 * ${noise(19)}`),
      entry('weir.ingest.memory', {}, '1.3e8'),
      entry('weir.ingest.batches', {}, '1.6'),
      entry('weir.ingest.insert.time', {}, `1.6 * (0.018 + 0.006 * ${noise(18)})`),
      entry('weir.ingest.retries', { table: 'metric_samples', class: 'transient', code: '' }, 'if(lagging, 0.2, 0)'),
      entry('weir.ingest.dead_letters', { code: 'OTLP_DECODE' }, 'if(poisoned, 0.25, 0)'),
    ]);
}

/** Metrics of one stream on one edge, over its `app`, `stream`, `share`, `bits` and `flow`, which is 1 while media comes in. */
export function streamEntries(): Entry[] {
  return [
    entry('live.stream.viewers', {}, 'viewers * share'),
    entry('live.stream.bitrate', {}, 'bits * flow * (1 + 0.05 * (sipHash64(stream, t) % 1000 / 1000 - 0.5))'),
    entry('live.stream.io', { 'network.io.direction': 'transmit' }, 'viewers * share * bits / 8 * flow'),
    entry('live.stream.frames', { media: 'video' }, '25 * flow'),
    entry('live.stream.frames', { media: 'audio' }, '43 * flow'),
  ];
}

/** Metrics of one app on one edge, over its `app`, `share`, `bits` (mean of its streams) and `app_publishers`. */
export function appEntries(): Entry[] {
  return [
    entry('live.app.viewers', {}, 'viewers * share'),
    entry('live.app.publishers', {}, 'app_publishers'),
    entry('live.app.io', { 'network.io.direction': 'receive' }, 'app_publishers * bits / 8'),
    entry('live.app.io', { 'network.io.direction': 'transmit' }, 'viewers * share * bits / 8'),
  ];
}
