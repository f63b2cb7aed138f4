/**
 * The admin API's listener: who may use it, how errors are said, and its OpenAPI description, generated from the routes'
 * schemas. Before it: main.ts; after it: routes.ts.
 */
import type { AddressInfo } from 'node:net';
import swagger from '@fastify/swagger';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import { portTaken } from '@weir/contracts/listen';
import type { Logger } from '@weir/contracts/logger';
import fastify, { type FastifyRequest } from 'fastify';
import { plainAddress } from '../access/address.ts';
import type { AdminAction } from '../stats.ts';
import { type Audit, MAX_ACTOR } from './audit.ts';
import type { NodeHandle } from './node-handle.ts';
import { rightOf } from './right.ts';
import { adminRoutes, healthRoutes } from './routes.ts';

/** Options of {@link startAdminServer}. */
export interface AdminServerOptions {
  config: { host: string; port: number; token: string };
  version: string;
  node: NodeHandle;
  /** Told of every action and every refused attempt. */
  audit: Audit;
  logger: Logger;
}

/** A running admin API. */
export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

const BODY_LIMIT_BYTES = 65_536;

/** Starts it. @throws ConfigError `EDGE_ADMIN_TOKEN`; WeirError `EDGE_PORT_TAKEN`. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { config, node, audit, logger } = options;
  const right = rightOf(config);
  const app = fastify({ forceCloseConnections: true, bodyLimit: BODY_LIMIT_BYTES, requestTimeout: 10_000 });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Weir node', version: options.version, description: 'Admin API of one edge or origin.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      ...(config.token === '' ? {} : { security: [{ token: [] }] }),
    },
  });
  app.setErrorHandler((error: Error & { statusCode?: number; validation?: unknown }, _request, reply) => {
    if (error instanceof WeirError) return reply.code(409).send({ error: error.code, message: error.message });
    const status = error.statusCode ?? 500;
    if (status >= 500) logger.error({ err: error }, 'an admin request failed by an error of ours');
    const word = error.validation === undefined ? 'bad-request' : 'invalid';
    return reply.code(status).send({ error: status >= 500 ? 'error' : word, message: errorMessage(error) });
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send({ error: 'not-found', message: `There is no ${request.method} ${request.url.split('?', 1)[0]}.` }),
  );
  const noteOf = (request: FastifyRequest): Pick<AdminAction, 'right' | 'actor' | 'clientAddress' | 'atMs'> => ({
    right: right(request.raw) ?? '',
    actor: String(request.headers['weir-actor'] ?? '').slice(0, MAX_ACTOR),
    clientAddress: plainAddress(request.socket.remoteAddress),
    atMs: Date.now(),
  });

  healthRoutes(app, node);
  await app.register(async (guarded) => {
    guarded.addHook('onRequest', async (request, reply) => {
      if (right(request.raw) !== undefined) return undefined;
      const detail = `${request.method} ${request.url.split('?', 1)[0]?.slice(0, MAX_ACTOR)}`;
      audit.note({ action: 'denied', target: '', outcome: 'refused', detail, ...noteOf(request) });
      const message =
        config.token === ''
          ? 'The admin API is for programs on this machine, not for web pages: set admin.token for others.'
          : 'The admin API needs the header "Authorization: Bearer <admin.token>".';
      reply.header('WWW-Authenticate', 'Bearer');
      return reply.code(config.token === '' ? 403 : 401).send({ error: 'denied', message });
    });
    adminRoutes(guarded, node, (request, action) => audit.note({ ...noteOf(request), ...action }));
    guarded.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  });
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    await app.close();
    throw portTaken(error, { host: config.host, port: config.port, key: 'admin.port', part: 'EDGE' }) ?? error;
  }
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}
