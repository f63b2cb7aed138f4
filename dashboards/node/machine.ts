/** Node, the machine under it: inventory, CPU, memory, cards, disks, clock. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { cardBits } from '../build/card-lines.ts';
import { picked, pickedMachine } from '../build/filters.ts';
import { linesSql } from '../build/lines-sql.ts';
import { HOST, metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

const inventory = `SELECT n.node AS node, n.role AS role, n.site AS site, m.host_name AS host, arrayStringConcat(arrayMap(c -> concat(c.name, ' ', arrayStringConcat(c.ip, ','), if(c.speed_bits > 0, concat(' ', toString(c.speed_bits / 1000000000), ' Gbit/s'), ' speed unknown')), m.network_cards), '; ') AS cards,
  concat(toString(m.cpu_count), ' × ', arrayStringConcat(m.cpu_models, ', ')) AS cpu, m.memory_bytes AS memory, concat(m.os, ' ', m.kernel, ' ', m.arch) AS system, n.version AS version, toDateTime64(n.first_seen, 3, 'UTC') AS first_seen, toDateTime64(n.last_seen, 3, 'UTC') AS last_seen
FROM ${TABLE.nodes} AS n
LEFT JOIN ${TABLE.machines} AS m ON m.cluster = n.cluster AND m.machine_id = n.machine_id
WHERE ${picked('n.cluster', 'cluster')} AND ${picked('n.node', 'node')} AND n.role != ''
ORDER BY n.node
LIMIT 1000`;

/** Share of each card's speed that is in use, per machine and card, the busiest; cards of unknown speed have no line. */
const cardUse = (() => {
  const figures = linesSql(
    [cardBits('transmit', 'sent'), { metric: 'system.network.speed', fold: 'mean', across: 'max', as: 'speed' }],
    { by: { machine: 'machine_id', card: "attributes['network.interface.name']" } },
  );
  return `SELECT u.time AS time, concat(if(k.host_name = '', u.machine, k.host_name), ' ', u.card) AS card, u.used AS used
FROM (
  SELECT time, machine, card, used
  FROM (SELECT time, machine, card, sent / speed AS used, max(used) OVER (PARTITION BY machine, card) AS peak FROM (${figures}) WHERE speed > 0)
  QUALIFY dense_rank() OVER (ORDER BY peak DESC, machine, card) <= 12
) AS u
LEFT JOIN (SELECT machine_id, any(host_name) AS host_name FROM ${TABLE.machines} GROUP BY machine_id) AS k ON k.machine_id = u.machine
ORDER BY time, card`;
})();

const direction = { direction: "if(attributes['network.io.direction'] = 'transmit', 'out', 'in')" };

const disks = `SELECT d.machine_id AS machine_id, s.attributes['system.filesystem.mountpoint'] AS mount, s.attributes['system.device'] AS device, argMax(d.sum / d.count, d.time) AS used
FROM ${VIEW.metricPoints}(step = 60) AS d
INNER JOIN (SELECT series_id, attributes FROM ${VIEW.series} WHERE metric = 'system.filesystem.utilization') AS s ON s.series_id = d.series_id
WHERE d.metric = 'system.filesystem.utilization' AND d.time >= $__toTime - 600 AND d.time < $__toTime AND ${pickedMachine('d.machine_id')}
GROUP BY machine_id, mount, device
ORDER BY used DESC
LIMIT 1000`;

/** Panels of the row. */
export const MACHINE: PanelGroup = {
  title: 'The machine',
  panels: [
    {
      id: 1,
      kind: 'table',
      title: 'Inventory',
      description:
        'What the picked nodes run on, as they last reported it. "Speed unknown" cards can be told by machine.cards in the configuration; without a speed nobody knows when they are full.',
      queries: [{ refId: 'A', sql: inventory }],
      width: 24,
      height: 6,
      fields: {
        node: { name: 'Node', width: 110 },
        role: { name: 'Role', width: 70 },
        site: { name: 'Site', width: 80 },
        host: { name: 'Host' },
        cards: { name: 'Network cards' },
        cpu: { name: 'CPU' },
        memory: { name: 'Memory', unit: 'bytes', width: 90 },
        system: { name: 'System' },
        version: { name: 'Version', width: 80 },
        first_seen: { name: 'First seen' },
        last_seen: { name: 'Last seen' },
      },
    },
    {
      id: 2,
      kind: 'timeseries',
      title: 'CPU by mode',
      description:
        'Share of the time of all processors, mean over the picked machines. Much iowait: a disk is slow; much system time: many small packets.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.cpu.utilization',
            where: { 'cpu.mode': ['user', 'system', 'iowait'] },
            by: { mode: "attributes['cpu.mode']" },
            fold: 'mean',
            across: 'avg',
            as: 'share',
          }),
        },
      ],
      unit: 'percentunit',
      min: 0,
      max: 1,
      legend: 'mode',
      stacked: true,
      width: 12,
      height: 8,
    },
    {
      id: 3,
      kind: 'timeseries',
      title: 'Memory',
      description: 'Sum over the picked machines by state. "Used" can not be reclaimed; "cached" can.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.memory.usage',
            where: { 'system.memory.state': ['used', 'cached', 'buffers'] },
            by: { state: "attributes['system.memory.state']" },
            fold: 'mean',
            across: 'sum',
            as: 'bytes',
          }),
        },
        { refId: 'B', sql: metricSql({ metric: 'system.memory.limit', fold: 'mean', across: 'sum', as: 'installed' }) },
      ],
      unit: 'bytes',
      fields: { installed: { color: 'red', dashed: true } },
      legend: 'state',
      width: 12,
      height: 8,
    },
    {
      id: 4,
      kind: 'timeseries',
      title: 'Network cards against their speed',
      description:
        'Sent bits of each card as a share of its speed, the twelve busiest. Full at 90 %: take viewers away (drain, lower the weight) before frames are dropped.',
      queries: [{ refId: 'A', sql: cardUse }],
      unit: 'percentunit',
      min: 0,
      max: 1,
      thresholds: { warn: 0.75, bad: 0.9 },
      legend: 'card',
      width: 12,
      height: 8,
    },
    {
      id: 5,
      kind: 'timeseries',
      title: 'Traffic of the cards',
      description: 'All cards of the picked machines, in and out.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.network.io',
            by: direction,
            fold: 'rate',
            across: 'sum',
            scale: 8,
            as: 'bits',
          }),
        },
      ],
      unit: 'bps',
      legend: 'direction',
      width: 12,
      height: 8,
    },
    {
      id: 6,
      kind: 'bars',
      title: 'Disks',
      description:
        'Used share of each file system in the last minutes of the range. A full disk stops the outbox and the store.',
      queries: [
        {
          refId: 'A',
          sql: `SELECT concat(k.host_name, ' ', mount) AS disk, used FROM (${disks}) AS d LEFT JOIN (SELECT machine_id, any(host_name) AS host_name FROM ${TABLE.machines} GROUP BY machine_id) AS k ON k.machine_id = d.machine_id ORDER BY used DESC LIMIT 20`,
        },
      ],
      unit: 'percentunit',
      min: 0,
      max: 1,
      thresholds: { warn: 0.8, bad: 0.9 },
      width: 8,
      height: 8,
    },
    {
      id: 7,
      kind: 'timeseries',
      title: 'Packets dropped by the cards',
      description:
        'Packets a card or its driver threw away. Anything but zero on "out" means that a card is over its limit.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.network.packet.dropped',
            by: direction,
            fold: 'rate',
            across: 'sum',
            as: 'packets',
          }),
        },
      ],
      unit: 'pps',
      legend: 'direction',
      width: 8,
      height: 8,
    },
    {
      id: 8,
      kind: 'timeseries',
      title: 'Clock against NATS',
      description:
        'Clock of each machine minus the clock of the NATS server. Beyond two seconds its samples land in the wrong place: mend time synchronisation.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'system.clock.offset',
            by: { host: HOST },
            fold: 'mean',
            across: 'max',
            as: 'offset',
            top: 12,
          }),
        },
      ],
      unit: 's',
      legend: 'host',
      width: 8,
      height: 8,
    },
  ],
};
