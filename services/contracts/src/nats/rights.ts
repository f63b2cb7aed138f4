/**
 * Who may do what in NATS, as subjects: media nodes, agents, ingest. A node publishes its own telemetry and holds its own
 * names, and nothing of others. Before it: names.ts; after it: rendered servers (infra/render) and credentials (`weir node`).
 */
import {
  BUCKET,
  CLUSTER_SUBJECT,
  DEAD_LETTER_SUBJECT_PREFIX,
  TELEMETRY_STREAM,
  TELEMETRY_SUBJECT_PREFIX,
} from './names.ts';

/** Subjects a user may publish on and subscribe to; none else. */
export interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * A media node publishes its own telemetry, keeps its heartbeat, what its clients use, its streams and its roles, and reads
 * those of others. It answers operators and says whom it lost, but gives no orders to other nodes.
 * @param node its name, or `*` when nodes share a user.
 */
export function nodeRights(node: string): Rights {
  const buckets = [BUCKET.nodes, BUCKET.streams, BUCKET.roles, BUCKET.usage];
  return {
    publish: [
      ...telemetryRights(node),
      '$JS.API.INFO',
      ...buckets.flatMap((bucket) => readAndCreate(`KV_${bucket}`)),
      `$KV.${BUCKET.nodes}.${node}`,
      `$KV.${BUCKET.usage}.${node}`,
      // named by stream and by place, not by node: whoever publishes or is elected writes them, by compare-and-set
      `$KV.${BUCKET.streams}.>`,
      `$KV.${BUCKET.roles}.>`,
      '$JS.FC.>',
      CLUSTER_SUBJECT.reply('*'),
      CLUSTER_SUBJECT.suspect('*'),
      CLUSTER_SUBJECT.rival('*'),
    ],
    subscribe: [
      '_INBOX.>',
      CLUSTER_SUBJECT.control(node),
      CLUSTER_SUBJECT.controlAll,
      CLUSTER_SUBJECT.suspect('*'),
      CLUSTER_SUBJECT.rival(node),
    ],
  };
}

/**
 * An agent publishes its own telemetry, compares its clock, and holds its name: it may see whether a node or another agent
 * has it, and nothing else of others.
 */
export function agentRights(node: string): Rights {
  return {
    publish: [
      ...telemetryRights(node),
      '$JS.API.INFO',
      ...[BUCKET.agents, BUCKET.nodes].flatMap((bucket) => [
        `$JS.API.STREAM.INFO.KV_${bucket}`,
        `$JS.API.STREAM.CREATE.KV_${bucket}`,
        `$JS.API.DIRECT.GET.KV_${bucket}.$KV.${bucket}.${node}`,
      ]),
      `$KV.${BUCKET.agents}.${node}`,
      CLUSTER_SUBJECT.rival(node),
    ],
    subscribe: ['_INBOX.>', CLUSTER_SUBJECT.rival(node)],
  };
}

/** Ingest reads all telemetry, writes dead letters and its own progress, and takes telemetry over HTTP. */
export function ingestRights(): Rights {
  return {
    publish: [
      '$JS.API.>',
      '$JS.ACK.>',
      '$JS.FC.>',
      `${TELEMETRY_SUBJECT_PREFIX}.>`,
      `${DEAD_LETTER_SUBJECT_PREFIX}.>`,
      ...[BUCKET.owners, BUCKET.progress].map((bucket) => `$KV.${bucket}.>`),
    ],
    subscribe: ['_INBOX.>'],
  };
}

function telemetryRights(node: string): string[] {
  return [
    `${TELEMETRY_SUBJECT_PREFIX}.*.*.${node}`,
    // when its own last message was stored: the clock it compares with
    `$JS.API.DIRECT.GET.${TELEMETRY_STREAM}.${TELEMETRY_SUBJECT_PREFIX}.*.*.${node}`,
  ];
}

/** What a client needs to make a bucket when it is missing, read it and watch it. */
function readAndCreate(stream: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.CREATE.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.>`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
    `$JS.ACK.${stream}.>`,
  ];
}
