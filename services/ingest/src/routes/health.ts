/** `/healthz` (the process lives), `/readyz` (it can do its work, or why not) and `/metrics`. */
import type { FastifyInstance } from 'fastify';

/** What the routes ask. */
export interface HealthSources {
  /** Why the service can't do its work at the moment, one sentence each; empty = ready. */
  problems(): Promise<string[]>;
  /** Writes Prometheus' text format and ends the response. */
  metrics(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse): void;
}

/** Adds the three routes. */
export function healthRoutes(app: FastifyInstance, sources: HealthSources): void {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const reasons = await sources.problems();
    if (reasons.length > 0) reply.code(503);
    return { status: reasons.length === 0 ? 'ready' : 'not ready', reasons };
  });
  app.get('/metrics', (request, reply) => {
    reply.hijack();
    sources.metrics(request.raw, reply.raw);
  });
}
