/**
 * The Faro receiver: `POST /faro/collect` for the player and for any page with the stock Faro SDK. It answers as Grafana's
 * receiver does (202 401 413 429 400), but a 202 means that JetStream has the payload. Before it: browsers; after it: the
 * same writers that take the nodes' telemetry.
 */
import cors from '@fastify/cors';
import rateLimit from '@fastify/rate-limit';
import type { AddressPolicy } from '@weir/contracts/addresses';
import type { Config } from '@weir/contracts/config/schema';
import { errorCode, errorMessage } from '@weir/contracts/errors';
import { TELEMETRY_MAX_PAYLOAD_BYTES } from '@weir/contracts/nats/names';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { formatFaroType } from './content-type.ts';
import { FaroKeys } from './keys.ts';
import { FaroPayloadError, parseFaroPayload, unzipped } from './payload.ts';
import { piecesOf } from './pieces.ts';
import type { FaroPublisher } from './publisher.ts';

/** What the receiver needs. */
export interface FaroDeps {
  config: Config['faro'];
  publisher: FaroPublisher;
  addresses: AddressPolicy;
  /** Told how each request was answered. */
  onAnswer(status: number, duplicate: boolean): void;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Name of the key the payload came with. */
    faroKey: string;
  }
}

const HEADERS = [
  'content-type',
  'content-encoding',
  'x-api-key',
  'x-faro-session-id',
  'idempotency-key',
  'traceparent',
];
const PREFLIGHT_SECONDS = 7_200;
/** Asked of a sender when NATS is away or more is on its way than may be. */
const RETRY_SECONDS = 5;

/** Adds the route and all that belongs to it; nothing of it reaches the app's other routes. */
export async function registerFaro(app: FastifyInstance, deps: FaroDeps): Promise<void> {
  await app.register(async (scope) => {
    const { config } = deps;
    const keys = new FaroKeys(config.keys);
    await scope.register(cors, {
      origin: config.origins.includes('*') ? '*' : config.origins,
      methods: ['POST'],
      allowedHeaders: HEADERS,
      exposedHeaders: ['retry-after', 'x-faro-session-status'],
      maxAge: PREFLIGHT_SECONDS,
    });
    await scope.register(rateLimit, { global: false, timeWindow: 1_000, cache: 20_000 });
    const limits = limitsOf(scope, config);

    scope.removeAllContentTypeParsers();
    // Pages send application/json, sendBeacon text/plain, some nothing: a payload is what it is.
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: config.maxBodyBytes }, (_request, body, done) => {
      done(null, body);
    });
    scope.decorateRequest('faroKey', '');
    scope.addHook('onRequest', async (request, reply) => {
      if (request.method !== 'POST') return;
      // sendBeacon can set no header: the key may stand in the address.
      const { key: sent } = request.query as { key?: unknown };
      const key = keys.find(headerOf(request, 'x-api-key') ?? (typeof sent === 'string' ? sent : undefined));
      if (key === undefined) return refuse(reply, 401, 'api key not provided or incorrect');
      request.faroKey = key;
      for (const limit of limits) {
        const { isExceeded, seconds } = await limit(request);
        if (isExceeded) return refuse(reply, 429, 'Too Many Requests', seconds);
      }
    });
    scope.addHook('onResponse', (request, reply, done) => {
      if (request.method === 'POST') deps.onAnswer(reply.statusCode, reply.getHeader(DUPLICATE) !== undefined);
      done();
    });
    scope.setErrorHandler((error, _request, reply) => answerError(error, reply));
    scope.post('/faro/collect', (request, reply) => collect(request, reply, deps));
  });
}

/** Response header of a payload that was here before. */
const DUPLICATE = 'x-weir-duplicate';

async function collect(request: FastifyRequest, reply: FastifyReply, deps: FaroDeps): Promise<FastifyReply> {
  const { maxBodyBytes } = deps.config;
  const sent = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const isPacked = headerOf(request, 'content-encoding')?.toLowerCase() === 'gzip';
  const body = isPacked ? await unzipped(sent, maxBodyBytes) : sent;
  const pieces = await piecesOf(parseFaroPayload(body), body, TELEMETRY_MAX_PAYLOAD_BYTES);
  const sender = { subnet: deps.addresses.network(request.ip, Date.now()), key: request.faroKey };
  const outcome = await deps.publisher.publishAll(
    pieces,
    ({ gzip }) => formatFaroType({ gzip, ...sender }),
    idempotencyKey(request),
  );
  if (outcome === 'unavailable') return refuse(reply, 503, 'telemetry cannot be taken at the moment', RETRY_SECONDS);
  if (outcome === 'duplicate') reply.header(DUPLICATE, '1');
  return reply.code(202).type('text/plain').send('ok');
}

type Limit = (request: FastifyRequest) => Promise<{ isExceeded: boolean; seconds: number }>;

function limitsOf(scope: FastifyInstance, config: Config['faro']): Limit[] {
  const limit = (max: number, keyGenerator: (request: FastifyRequest) => string): Limit[] => {
    if (max === 0) return [];
    const check = scope.createRateLimit({ max, keyGenerator });
    return [
      async (request) => {
        const result = await check(request);
        return result.isAllowed
          ? { isExceeded: false, seconds: 0 }
          : { isExceeded: result.isExceeded, seconds: result.ttlInSeconds };
      },
    ];
  };
  return [
    ...limit(config.ratePerKey, (request) => `key:${request.faroKey}`),
    ...limit(config.ratePerAddress, (request) => `address:${request.ip}`),
  ];
}

/** The sender's id of this payload, apart for each page; undefined when it has none or a useless one. */
function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = headerOf(request, 'idempotency-key');
  if (key === undefined || key.length > 200 || !/^[\x21-\x7e]+$/.test(key)) return undefined;
  return `faro:${request.faroKey}:${key}`;
}

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function answerError(error: unknown, reply: FastifyReply): FastifyReply {
  if (error instanceof FaroPayloadError)
    return refuse(reply, error.code === 'FARO_TOO_LARGE' ? 413 : 400, error.message);
  if (errorCode(error) === 'FST_ERR_CTP_BODY_TOO_LARGE') return refuse(reply, 413, 'request body too large');
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 500;
  return refuse(reply, status >= 400 && status < 600 ? status : 500, errorMessage(error));
}

function refuse(reply: FastifyReply, status: number, error: string, retrySeconds = 0): FastifyReply {
  if (retrySeconds > 0) reply.header('retry-after', String(retrySeconds));
  return reply.code(status).send({ error });
}
