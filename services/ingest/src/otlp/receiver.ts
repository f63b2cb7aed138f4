/**
 * The OTLP receiver: `POST /v1/metrics` and `/v1/logs`, protobuf or JSON, for any OpenTelemetry SDK or Collector. 200 means
 * that JetStream has it (what can't be taken is counted in the partial success); 429 and 503 ask to come again, as the OTLP
 * specification says. Before it: senders; after it: the same writers that take the nodes' telemetry.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import rateLimit from '@fastify/rate-limit';
import type { Config } from '@weir/contracts/config/schema';
import { errorCode, errorMessage, WeirError } from '@weir/contracts/errors';
import { TELEMETRY_MAX_PAYLOAD_BYTES } from '@weir/contracts/nats/names';
import { otlpFromJson } from '@weir/contracts/otlp/json';
import { OtlpError } from '@weir/contracts/otlp/wire';
import { WireWriter } from '@weir/contracts/otlp/wire-writer';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { OtlpPublisher } from './publisher.ts';
import { type SplitRequest, splitRequest } from './split.ts';
import { OtlpTokens } from './tokens.ts';

/** What the receiver needs. */
export interface OtlpDeps {
  config: Config['otlp'];
  publisher: OtlpPublisher;
  /** Told how each request was answered, and how many points or records of it were not taken. */
  onAnswer(signal: 'metrics' | 'logs', status: number, rejected: number): void;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Name of the token the request came with. */
    otlpSender: string;
    otlpRejected: number;
  }
}

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
const RETRY_SECONDS = 5;
const inflate = promisify(gunzip);

/** Adds both routes; nothing of them reaches the app's other routes. @throws ConfigError `INGEST_OTLP_TOKEN` */
export async function registerOtlp(app: FastifyInstance, deps: OtlpDeps): Promise<void> {
  await app.register(async (scope) => {
    const { config } = deps;
    const tokens = new OtlpTokens(config.tokens);
    await scope.register(rateLimit, { global: false, timeWindow: 1_000 });
    const keyGenerator = (request: FastifyRequest) => request.otlpSender;
    const limit =
      config.ratePerToken === 0 ? undefined : scope.createRateLimit({ max: config.ratePerToken, keyGenerator });

    scope.removeAllContentTypeParsers();
    for (const type of [PROTOBUF, JSON_TYPE]) {
      scope.addContentTypeParser(
        type,
        { parseAs: 'buffer', bodyLimit: config.maxBodyBytes },
        (_request, body, done) => {
          done(null, body);
        },
      );
    }
    scope.decorateRequest('otlpSender', '');
    scope.decorateRequest('otlpRejected', 0);
    scope.addHook('onRequest', async (request, reply) => {
      const sender = tokens.find(request.headers.authorization, request.socket.remoteAddress);
      if (sender === undefined) {
        const mend =
          config.tokens.length === 0 ? 'only this machine may send until otlp.tokens are set' : 'see otlp.tokens';
        reply.header('www-authenticate', 'Bearer');
        return refuse(request, reply, 401, `The bearer token is missing or wrong; ${mend}.`);
      }
      request.otlpSender = sender;
      const outcome = await limit?.(request);
      if (outcome && !outcome.isAllowed && outcome.isExceeded)
        return refuse(request, reply, 429, 'Too many requests with this token.', Math.max(1, outcome.ttlInSeconds));
    });
    scope.addHook('onResponse', (request, reply, done) => {
      deps.onAnswer(signalOf(request), reply.statusCode, request.otlpRejected);
      done();
    });
    scope.setErrorHandler((error, request, reply) => answerError(error, request, reply, config.maxBodyBytes));
    for (const signal of ['metrics', 'logs'] as const)
      scope.post(`/v1/${signal}`, (request, reply) => take(signal, request, reply, deps));
  });
}

async function take(
  signal: 'metrics' | 'logs',
  request: FastifyRequest,
  reply: FastifyReply,
  { config, publisher }: OtlpDeps,
): Promise<FastifyReply> {
  const sent = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const body = await unpacked(sent, request.headers['content-encoding']?.toLowerCase(), config.maxBodyBytes);
  const protobuf = isJson(request) ? otlpFromJson(signal, body.toString('utf8')) : body;
  const split = splitRequest(signal, protobuf, request.otlpSender, TELEMETRY_MAX_PAYLOAD_BYTES);
  if (!(await publisher.publish(signal, split.messages)))
    return refuse(request, reply, 503, 'Telemetry cannot be taken at the moment.', RETRY_SECONDS);
  request.otlpRejected = split.rejected;
  return accept(signal, request, reply, split);
}

/** @throws WeirError `OTLP_TOO_LARGE`, `OTLP_ENCODING` */
async function unpacked(body: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding !== 'gzip')
    throw new WeirError('OTLP_ENCODING', `Content-Encoding "${encoding.slice(0, 40)}" is not known; use gzip or none.`);
  try {
    return await inflate(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new OtlpError('The body is not valid gzip.');
  }
}

function tooLarge(maxBytes: number): WeirError {
  return new WeirError('OTLP_TOO_LARGE', `The request is larger than ${maxBytes} bytes (otlp.maxBodyBytes).`);
}

/** ExportMetricsServiceResponse or ExportLogsServiceResponse. */
function accept(
  signal: 'metrics' | 'logs',
  request: FastifyRequest,
  reply: FastifyReply,
  { rejected, reasons }: SplitRequest,
): FastifyReply {
  const errorText = [...reasons].join(' ');
  if (isJson(request)) {
    const field = signal === 'metrics' ? 'rejectedDataPoints' : 'rejectedLogRecords';
    const partialSuccess = { [field]: String(rejected), errorMessage: errorText };
    return reply
      .code(200)
      .type(JSON_TYPE)
      .send(JSON.stringify(rejected === 0 ? {} : { partialSuccess }));
  }
  const response = new WireWriter();
  if (rejected > 0) response.bytes(1, new WireWriter().varint(1, rejected).text(2, errorText).finish());
  return reply.code(200).type(PROTOBUF).send(response.finish());
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, maxBytes: number): FastifyReply {
  if (error instanceof OtlpError) return refuse(request, reply, 400, error.message);
  const code = errorCode(error);
  if (code === 'OTLP_ENCODING') return refuse(request, reply, 415, errorMessage(error));
  if (code === 'OTLP_TOO_LARGE') return refuse(request, reply, 413, errorMessage(error));
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return refuse(request, reply, 413, tooLarge(maxBytes).message);
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return refuse(request, reply, 415, `The content type must be ${PROTOBUF} or ${JSON_TYPE}.`);
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 500;
  return refuse(request, reply, status >= 400 && status < 600 ? status : 500, errorMessage(error));
}

/** Answers with google.rpc.Status in the form the request came in. */
function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  message: string,
  retrySeconds = 0,
): FastifyReply {
  if (retrySeconds > 0) reply.header('retry-after', String(retrySeconds));
  reply.code(status);
  return isJson(request)
    ? reply.type(JSON_TYPE).send(JSON.stringify({ code: status, message }))
    : reply.type(PROTOBUF).send(new WireWriter().varint(1, status).text(2, message).finish());
}

function isJson(request: FastifyRequest): boolean {
  return (request.headers['content-type'] ?? '').toLowerCase().startsWith(JSON_TYPE);
}

function signalOf(request: FastifyRequest): 'metrics' | 'logs' {
  return request.url.startsWith('/v1/logs') ? 'logs' : 'metrics';
}
