/**
 * The HTTP front: health paths, and each query from its request to its answer. Knows who left (and cancels) and ends every
 * answer exactly once. Built by main.ts; execute.ts does the work.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from '@weir/contracts/logger';
import type { Engine } from '../engine/engine.ts';
import { fromEngine, refuse } from '../exceptions.ts';
import { execute } from '../execute.ts';
import type { ReaderLimits } from '../settings.ts';
import type { StoreUsers } from '../users.ts';
import { Answer } from './answer.ts';
import { readBody } from './body.ts';
import { encodingOf, queryIdOf, readRequest } from './request.ts';

/** As a server has it; clients keep idle connections for less. */
const KEEP_ALIVE_MS = 10_000;
const HEALTH_PATHS: ReadonlySet<string> = new Set(['/ping', '/replicas_status']);

/** What the front is handed. */
export interface FrontOptions {
  engine: Engine;
  users: StoreUsers;
  limits: ReaderLimits;
  /** Functions the reader may not call. */
  forbidden: ReadonlySet<string>;
  logger: Logger;
  /** Aborts all queries when the store closes. */
  closing: AbortSignal;
}

/** The server, not yet listening. */
export function createFront(options: FrontOptions): Server {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (message, response) => {
    void handle(options, message, response);
  });
  return server;
}

async function handle(options: FrontOptions, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(message.url ?? '/', 'http://store');
  if (HEALTH_PATHS.has(url.pathname) || isBareGet(message, url)) {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=UTF-8' }).end('Ok.\n');
  } else if (url.pathname !== '/' || !['GET', 'POST'].includes(message.method ?? '')) {
    const text = `There is no handle for ${message.method} ${url.pathname}\n\nUse / with GET or POST for queries, /ping for health checks.\n`;
    response.writeHead(404, { 'Content-Type': 'text/plain; charset=UTF-8' }).end(text);
  } else {
    await query(options, message, response, url.searchParams);
  }
}

/** `GET /` without a query is a health check, too. */
function isBareGet(message: IncomingMessage, url: URL): boolean {
  return message.method === 'GET' && url.pathname === '/' && !url.searchParams.has('query');
}

async function query(
  { engine, users, limits, forbidden, logger, closing }: FrontOptions,
  message: IncomingMessage,
  response: ServerResponse,
  url: URLSearchParams,
): Promise<void> {
  const left = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) left.abort(refuse('NETWORK_ERROR', 'The client left'));
  });
  const queryId = queryIdOf(url);
  const answer = new Answer(response, { queryId, identity: engine.identity, encoding: encodingOf(message, url) });
  try {
    const request = readRequest(message, url, users, (name) => engine.hasSetting(name));
    const body = await readBody(message);
    await execute({
      engine,
      limits,
      forbidden,
      request,
      body,
      answer,
      signal: AbortSignal.any([left.signal, closing]),
    });
  } catch (error) {
    const exception = fromEngine(error);
    logger.debug({ queryId, code: exception.clickhouseCode, err: exception }, 'query failed');
    if (response.destroyed) return;
    if (!message.complete) response.setHeader('Connection', 'close');
    await answer.fail(exception).catch((failure: unknown) => {
      logger.debug({ queryId, err: failure }, 'the client left before the exception was sent');
      response.destroy();
    });
  }
}
