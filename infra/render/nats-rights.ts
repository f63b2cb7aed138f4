/** Who may do what in NATS: media nodes, ingest, administrators. Rights are subjects; all names come from contracts. */
import {
  BUCKET,
  DEAD_LETTER_SUBJECT_PREFIX,
  TELEMETRY_STREAM,
  TELEMETRY_SUBJECT_PREFIX,
} from '@weir/contracts/nats/names';
import type { MeasuredRole } from '@weir/contracts/resource';
import { type NamedMachine, needsAgent, nodeName, nodeNatsSecret, type Plan, withRole } from './plan.ts';

/** A NATS user: its password by the secret's name; no `publish` = everything. */
export interface NatsUser {
  name: string;
  secret: string;
  purpose: string;
  publish?: readonly string[];
  subscribe?: readonly string[];
}

/** User that a node or an agent logs in as. */
export function userOf(plan: Plan, node: string, role: MeasuredRole): string {
  if (plan.topology.nats.credentials === 'role') return role === 'agent' ? 'agent' : 'node';
  return `node-${node}`;
}

/** Users of the account that everything runs in. */
export function natsUsers(plan: Plan): NatsUser[] {
  return [
    ...nodeUsers(plan),
    { name: 'ingest', secret: 'NATS_PASSWORD_INGEST', purpose: 'ingest in NATS', ...ingestRights() },
    { name: 'admin', secret: 'NATS_PASSWORD_ADMIN', purpose: 'operators in NATS' },
  ];
}

function nodeUsers(plan: Plan): NatsUser[] {
  if (plan.topology.nats.credentials === 'role') {
    return [
      { name: 'node', secret: 'NATS_PASSWORD_NODE', purpose: 'edges and origins in NATS', ...nodeRights('*') },
      { name: 'agent', secret: 'NATS_PASSWORD_AGENT', purpose: 'agents in NATS', ...agentRights('*') },
    ];
  }
  return nodes(plan).map(({ node, role }) => ({
    name: userOf(plan, node, role),
    secret: nodeNatsSecret(plan, node, role),
    purpose: `${role === 'agent' ? 'agent' : 'node'} ${node} in NATS`,
    ...(role === 'agent' ? agentRights(node) : nodeRights(node)),
  }));
}

function nodes(plan: Plan): { node: string; role: MeasuredRole }[] {
  const of = (machines: readonly NamedMachine[], role: MeasuredRole) =>
    machines.map((machine) => ({ node: nodeName(machine, role), role }));
  return [
    ...of(withRole(plan, 'edge'), 'edge'),
    ...of(withRole(plan, 'origin'), 'origin'),
    ...of(
      plan.machines.filter((machine) => needsAgent(plan, machine)),
      'agent',
    ),
  ].sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** An agent publishes its own telemetry and compares its clock; it is no member and reads nothing of others. */
function agentRights(node: string): Required<Pick<NatsUser, 'publish' | 'subscribe'>> {
  return { publish: telemetryRights(node), subscribe: ['_INBOX.>'] };
}

function telemetryRights(node: string): string[] {
  return [
    `${TELEMETRY_SUBJECT_PREFIX}.*.*.${node}`,
    // when its own last message was stored: the clock it compares with
    `$JS.API.DIRECT.GET.${TELEMETRY_STREAM}.${TELEMETRY_SUBJECT_PREFIX}.*.*.${node}`,
  ];
}

/**
 * A media node publishes its own telemetry, keeps its heartbeat, its streams and its roles, and reads those of others.
 * @param node its name, or `*` when nodes share a user.
 */
export function nodeRights(node: string): Required<Pick<NatsUser, 'publish' | 'subscribe'>> {
  const buckets = [BUCKET.nodes, BUCKET.streams, BUCKET.roles];
  return {
    publish: [
      ...telemetryRights(node),
      '$JS.API.INFO',
      ...buckets.flatMap((bucket) => readAndCreate(`KV_${bucket}`)),
      `$KV.${BUCKET.nodes}.${node}`,
      `$KV.${BUCKET.streams}.>`,
      `$KV.${BUCKET.roles}.>`,
      '$JS.FC.>',
      'weir.cluster.>',
    ],
    subscribe: ['_INBOX.>', 'weir.cluster.>'],
  };
}

/** Ingest reads all telemetry, writes dead letters and its own progress, and takes telemetry over HTTP. */
function ingestRights(): Required<Pick<NatsUser, 'publish' | 'subscribe'>> {
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
