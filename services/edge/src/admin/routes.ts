/**
 * The routes of the admin API: what can be seen of a node, and the few things that can be done to it, each of which is
 * written down. Before it: server.ts, which has checked the right; after it: the node's handle.
 */
import { errorMessage } from '@weir/contracts/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type, { type Static } from 'typebox';
import type { AdminAction } from '../stats.ts';
import type { OpenConnection } from '../stream/connections.ts';
import { drainDetail } from './audit.ts';
import type { NodeHandle } from './node-handle.ts';
import {
  AppSchema,
  ConnectionListSchema,
  type ConnectionQuery,
  ConnectionQuerySchema,
  ConnectionSchema,
  type ConnectionView,
  DrainSchema,
  DrainStateSchema,
  HealthSchema,
  IdSchema,
  NodeSchema,
  ProblemSchema,
  ReadinessSchema,
  ReloadSchema,
  StreamSchema,
} from './schemas.ts';

/** Writes an action down. */
export type Note = (
  request: FastifyRequest,
  action: Pick<AdminAction, 'action' | 'target' | 'outcome' | 'detail'>,
) => void;

const DENIED = { 401: ProblemSchema, 403: ProblemSchema };
const MAX_TARGET = 1_000;

/** What load balancers ask; needs no right and tells nothing else. */
export function healthRoutes(app: FastifyInstance, node: NodeHandle): void {
  const alive = { summary: 'Is it alive?', security: [], response: { 200: HealthSchema } };
  app.get('/healthz', { schema: alive }, () => ({ status: 'ok' }));
  const ready = {
    summary: 'Does it take clients?',
    security: [],
    response: { 200: ReadinessSchema, 503: ReadinessSchema },
  };
  app.get('/readyz', { schema: ready }, (_request, reply) => {
    const reasons = node.notReady();
    reply.code(reasons.length === 0 ? 200 : 503).send({ ready: reasons.length === 0, reasons });
  });
}

/** Everything else. */
export function adminRoutes(app: FastifyInstance, node: NodeHandle, note: Note): void {
  readingRoutes(app, node);

  app.delete<{ Params: Static<typeof IdSchema> }>(
    '/v1/connections/:id',
    {
      schema: {
        summary: 'Kick a publisher or viewer',
        params: IdSchema,
        response: { ...DENIED, 200: ConnectionSchema, 404: ProblemSchema, 409: ProblemSchema },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const found = (await node.connections()).find((connection) => connection.id === id);
      if (!found) {
        note(request, { action: 'kick', target: id, outcome: 'not-found', detail: '' });
        return reply.code(404).send({ error: 'not-found', message: `There is no connection ${id} on this node.` });
      }
      const view = viewOf(found);
      // without its address: how that is stored is told with the connection (privacy.addresses)
      const detail = `${view.role} of ${view.app}/${view.stream}`;
      if (!found.kick) {
        note(request, { action: 'kick', target: id, outcome: 'refused', detail });
        const message = `A connection by ${view.protocol} is none that lasts, and cannot be closed.`;
        return reply.code(409).send({ error: 'no-connection', message });
      }
      found.kick();
      note(request, { action: 'kick', target: id, outcome: 'done', detail });
      return reply.send(view);
    },
  );

  const drained = { ...DENIED, 200: DrainStateSchema };
  app.get('/v1/drain', { schema: { summary: 'How the drain stands', response: drained } }, () => node.drain.state);
  app.post<{ Body: Static<typeof DrainSchema> | null }>(
    '/v1/drain',
    {
      schema: {
        summary: 'Take it out of service: no new clients, those who know how are asked to reconnect elsewhere',
        body: Type.Union([DrainSchema, Type.Null()]),
        response: drained,
      },
    },
    async (request) => {
      const seconds = request.body?.deadlineSeconds;
      const deadlineMs = seconds === undefined ? undefined : seconds * 1_000;
      note(request, { action: 'drain', target: '', outcome: 'done', detail: drainDetail(deadlineMs) });
      await node.drain.begin(deadlineMs);
      return node.drain.state;
    },
  );
  app.delete('/v1/drain', { schema: { summary: 'Back to service', response: drained } }, (request) => {
    node.drain.undo();
    note(request, { action: 'serve', target: '', outcome: 'done', detail: '' });
    return node.drain.state;
  });

  app.post(
    '/v1/reload',
    {
      schema: {
        summary: 'Read configuration and certificate again; all of it is put in force, or nothing',
        response: { ...DENIED, 200: ReloadSchema, 409: ProblemSchema },
      },
    },
    (request, reply) => {
      try {
        if (!node.reload) {
          const message = 'This node was not started from a configuration that could be read again.';
          note(request, { action: 'reload', target: '', outcome: 'refused', detail: message });
          return reply.code(409).send({ error: 'no-source', message });
        }
        const reloaded = node.reload();
        const target = reloaded.changed.join(' ').slice(0, MAX_TARGET);
        note(request, { action: 'reload', target, outcome: 'done', detail: '' });
        return reply.send(reloaded);
      } catch (error) {
        note(request, { action: 'reload', target: '', outcome: 'refused', detail: errorMessage(error) });
        throw error;
      }
    },
  );
}

function readingRoutes(app: FastifyInstance, node: NodeHandle): void {
  app.get('/v1/node', { schema: { summary: 'The node', response: { ...DENIED, 200: NodeSchema } } }, () => {
    const { accepted, limit } = node.room();
    return {
      ...node.describe(),
      draining: node.drain.state.draining,
      connections: accepted,
      connectionLimit: limit,
      mergeWindowMs: node.stats().mergeWindowMs,
      longestFlushMs: node.stats().longestFlushMs,
    };
  });
  const streams = { ...DENIED, 200: Type.Object({ streams: Type.Array(StreamSchema) }) };
  app.get('/v1/streams', { schema: { summary: 'Its streams', response: streams } }, () => ({
    streams: node.streams(),
  }));
  const apps = { ...DENIED, 200: Type.Object({ apps: Type.Array(AppSchema) }) };
  app.get('/v1/apps', { schema: { summary: 'What each app uses, here and in the cluster', response: apps } }, () => ({
    apps: node
      .apps()
      .map(({ app: name, here, everywhere: cluster, quota }) => ({ app: name, ...here, cluster, quota })),
  }));
  app.get<{ Querystring: ConnectionQuery }>(
    '/v1/connections',
    {
      schema: {
        summary: 'Who is on it',
        querystring: ConnectionQuerySchema,
        response: { ...DENIED, 200: ConnectionListSchema },
      },
    },
    async ({ query }) => {
      const wanted = (['role', 'app', 'stream', 'clientAddress'] as const).filter((key) => query[key] !== undefined);
      const fitting = (await node.connections())
        .filter(({ opened }) => wanted.every((key) => opened[key] === query[key]))
        .sort((one, other) => one.opened.openedAtMs - other.opened.openedAtMs);
      return { connections: fitting.slice(0, query.limit ?? 1_000).map(viewOf), total: fitting.length };
    },
  );
}

function viewOf({ opened, socket }: OpenConnection): ConnectionView {
  return {
    ...opened,
    bytesIn: socket.bytesRead,
    bytesOut: socket.bytesWritten ?? 0,
    queuedBytes: socket.writableLength,
  };
}
