-- What alert rules, dashboards and people judge by, minute by minute: each view takes (from, to), reads the 1 min rollup
-- and gives one row per minute and thing. A rule asks for its last complete minute, a test for a whole week: same maths.

-- A node is quiet while it drains or is retired, and for a minute after it came back.

-- Minutes of machines: shares are 0..1, the worst card and the worst file system count.
CREATE OR REPLACE VIEW ${database}.machine_minutes ${on_cluster} AS
SELECT
    f.time AS time, f.cluster AS cluster, f.machine_id AS machine_id, if(k.host_name = '', f.machine_id, k.host_name) AS host,
    f.cpu AS cpu, f.memory AS memory, f.card AS card, f.disk AS disk, f.clock_offset AS clock_offset,
    notEmpty(q.spans) AND arrayAll(node_spans -> arrayExists(x -> f.time + INTERVAL 1 MINUTE > x.1 AND f.time < x.2 + INTERVAL 1 MINUTE, node_spans), q.spans) AS quiet
FROM
(
    SELECT time, cluster, machine_id,
        maxOrNullIf(mean, metric = 'system.cpu.utilization' AND mode = 'used') AS cpu,
        maxOrNullIf(mean, metric = 'system.memory.utilization' AND state = 'used') AS memory,
        maxOrNullIf(mean, metric = 'system.filesystem.utilization') AS disk,
        maxOrNullIf(mean, metric = 'system.clock.offset') AS clock_offset,
        mapFromArrays(groupArrayIf(card_name, metric = 'system.network.speed'), groupArrayIf(mean, metric = 'system.network.speed')) AS speeds,
        arrayMax(arrayMap((n, v) -> if(speeds[n] > 0, v * 8 / 60 / speeds[n], 0), groupArrayIf(card_name, metric = 'system.network.io'), groupArrayIf(total, metric = 'system.network.io'))) AS busiest,
        if(length(speeds) = 0, NULL, busiest) AS card
    FROM
    (
        SELECT p.time AS time, p.cluster AS cluster, p.machine_id AS machine_id, p.metric AS metric,
            s.attributes['cpu.mode'] AS mode, s.attributes['system.memory.state'] AS state, s.attributes['network.interface.name'] AS card_name,
            p.series_id AS series_id, sum(p.sum) / sum(p.count) AS mean, sum(p.sum) AS total
        FROM ${database}.metric_1m AS p
        INNER JOIN
        (
            SELECT series_id, attributes FROM ${database}.series
            WHERE metric IN ('system.cpu.utilization', 'system.memory.utilization', 'system.filesystem.utilization', 'system.clock.offset', 'system.network.io', 'system.network.speed')
                AND attributes['cpu.mode'] IN ('', 'used') AND attributes['system.memory.state'] IN ('', 'used')
        ) AS s ON s.series_id = p.series_id
        WHERE p.metric IN ('system.cpu.utilization', 'system.memory.utilization', 'system.filesystem.utilization', 'system.clock.offset', 'system.network.io', 'system.network.speed')
            AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
        GROUP BY time, cluster, machine_id, metric, mode, state, card_name, series_id
    )
    GROUP BY time, cluster, machine_id
) AS f
LEFT JOIN ${database}.machines AS k ON k.cluster = f.cluster AND k.machine_id = f.machine_id
LEFT JOIN
(
    SELECT n.cluster AS cluster, n.machine_id AS machine_id, groupArray(i.spans) AS spans
    FROM ${database}.nodes AS n
    LEFT JOIN ${database}.node_quiet_spans AS i ON i.cluster = n.cluster AND i.node = n.node
    WHERE n.role IN ('edge', 'origin')
    GROUP BY cluster, machine_id
) AS q ON q.cluster = f.cluster AND q.machine_id = f.machine_id;

-- Minutes of nodes: connections are publishers and viewers together, relays do not count.
CREATE OR REPLACE VIEW ${database}.node_minutes ${on_cluster} AS
SELECT
    f.time AS time, f.cluster AS cluster, f.machine_id AS machine_id, f.node AS node, k.role AS role,
    f.connections AS connections, f.viewers AS viewers, f.connection_limit AS connection_limit,
    f.opened AS opened, f.closed AS closed, f.closed_slow AS closed_slow, f.refused AS refused, f.frames_dropped AS frames_dropped,
    f.send_queue_bytes AS send_queue_bytes, f.loop_delay_seconds AS loop_delay_seconds,
    f.outbox_messages AS outbox_messages, f.outbox_bytes AS outbox_bytes, f.outbox_dropped AS outbox_dropped,
    arrayExists(x -> f.time + INTERVAL 1 MINUTE > x.1 AND f.time < x.2 + INTERVAL 1 MINUTE, q.spans) AS quiet
FROM
(
    SELECT time, cluster, machine_id, node,
        sumIf(mean, metric = 'live.connections' AND role IN ('publisher', 'viewer')) AS connections,
        sumIf(mean, metric = 'live.connections' AND role = 'viewer') AS viewers,
        maxOrNullIf(mean, metric = 'live.connections.limit') AS connection_limit,
        sumIf(total, metric = 'live.connections.opened' AND role IN ('publisher', 'viewer')) AS opened,
        sumIf(total, metric = 'live.connections.closed' AND role IN ('publisher', 'viewer')) AS closed,
        sumIf(total, metric = 'live.connections.closed' AND reason = 'slow-viewer') AS closed_slow,
        sumIf(total, metric = 'live.connections.refused') AS refused,
        sumIf(total, metric = 'live.viewer.frames.dropped') AS frames_dropped,
        sumIf(mean, metric = 'live.send.queue') AS send_queue_bytes,
        maxOrNullIf(mean, metric = 'nodejs.eventloop.delay.p99') AS loop_delay_seconds,
        sumIf(mean, metric = 'weir.outbox.messages') AS outbox_messages,
        sumIf(mean, metric = 'weir.outbox.size') AS outbox_bytes,
        sumIf(total, metric = 'weir.outbox.dropped') AS outbox_dropped
    FROM
    (
        SELECT p.time AS time, p.cluster AS cluster, p.machine_id AS machine_id, p.node AS node, p.metric AS metric,
            s.attributes['role'] AS role, s.attributes['reason'] AS reason, p.series_id AS series_id,
            sum(p.sum) / sum(p.count) AS mean, sum(p.sum) AS total
        FROM ${database}.metric_1m AS p
        LEFT JOIN (SELECT series_id, attributes FROM ${database}.series WHERE metric IN ('live.connections', 'live.connections.opened', 'live.connections.closed')) AS s ON s.series_id = p.series_id
        WHERE p.metric IN ('live.connections', 'live.connections.limit', 'live.connections.opened', 'live.connections.closed', 'live.connections.refused', 'live.viewer.frames.dropped',
            'live.send.queue', 'nodejs.eventloop.delay.p99', 'weir.outbox.messages', 'weir.outbox.size', 'weir.outbox.dropped')
            AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
        GROUP BY time, cluster, machine_id, node, metric, role, reason, series_id
    )
    GROUP BY time, cluster, machine_id, node
) AS f
LEFT JOIN ${database}.nodes AS k ON k.cluster = f.cluster AND k.node = f.node
LEFT JOIN ${database}.node_quiet_spans AS q
    ON q.cluster = f.cluster AND q.node = f.node;

-- Minutes of streams over the whole cluster. frames_published are those of the publisher's own node and of relays alike:
-- none at all while there are viewers means that nobody sends.
CREATE OR REPLACE VIEW ${database}.stream_minutes ${on_cluster} AS
SELECT time, cluster, app, stream,
    sumIf(mean, metric = 'live.stream.viewers') AS viewers,
    uniqExactIf(node, metric = 'live.stream.viewers') AS nodes,
    sumIf(total, metric = 'live.stream.frames') AS frames,
    maxOrNullIf(mean, metric = 'live.stream.bitrate') AS bitrate_bits
FROM
(
    SELECT p.time AS time, p.cluster AS cluster, p.node AS node, p.metric AS metric, s.attributes['app'] AS app, s.attributes['stream'] AS stream, p.series_id AS series_id,
        sum(p.sum) / sum(p.count) AS mean, sum(p.sum) AS total
    FROM ${database}.metric_1m AS p
    INNER JOIN (SELECT series_id, attributes FROM ${database}.series WHERE metric IN ('live.stream.viewers', 'live.stream.frames', 'live.stream.bitrate')) AS s ON s.series_id = p.series_id
    WHERE p.metric IN ('live.stream.viewers', 'live.stream.frames', 'live.stream.bitrate') AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
    GROUP BY time, cluster, node, metric, app, stream, series_id
)
GROUP BY time, cluster, app, stream;

-- Silence of nodes at the end of each minute: seconds between the node's last sample and the newest of its cluster, so that
-- a pause of the whole pipeline is not taken for the death of all nodes. step 5 reads raw samples (a rule's look), step 60
-- the rollup (a week at once). Nodes not seen for a week are forgotten, draining and retired ones are quiet.
CREATE OR REPLACE VIEW ${database}.node_silence ${on_cluster} AS
SELECT
    g.at AS time, g.cluster AS cluster, g.node AS node, g.role AS role, g.machine_id AS machine_id,
    if(toUInt32(r.reported) > 0, r.reported, if(toDateTime(g.last_seen) <= g.at, toDateTime(g.last_seen), toDateTime(g.first_seen))) AS last_report,
    dateDiff('second', last_report, max(last_report) OVER (PARTITION BY g.cluster, g.at)) AS silent_seconds,
    arrayExists(x -> g.at > x.1 AND g.at < x.2 + INTERVAL 1 MINUTE, q.spans) AS quiet
FROM
(
    SELECT n.cluster AS cluster, n.node AS node, n.role AS role, n.machine_id AS machine_id, n.first_seen AS first_seen, n.last_seen AS last_seen,
        arrayJoin(arrayMap(i -> {to:DateTime} - 60 * i, range(toUInt32(intDiv(dateDiff('second', {from:DateTime}, {to:DateTime}), 60))))) AS at
    FROM ${database}.nodes AS n
    WHERE n.role IN ('edge', 'origin') AND n.first_seen < at AND n.last_seen > at - INTERVAL 7 DAY
) AS g
ASOF LEFT JOIN
(
    SELECT p.cluster AS cluster, p.node AS node, p.time + {step:UInt32} AS reported
    FROM ${database}.metric_points(step = {step:UInt32}) AS p
    WHERE p.metric = 'process.uptime' AND p.time >= {from:DateTime} - toIntervalSecond(if({step:UInt32} = 5, 3600, 86400)) AND p.time < {to:DateTime}
    GROUP BY cluster, node, reported
) AS r ON r.cluster = g.cluster AND r.node = g.node AND g.at >= r.reported
LEFT JOIN ${database}.node_quiet_spans AS q ON q.cluster = g.cluster AND q.node = g.node;
