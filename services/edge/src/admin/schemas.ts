/**
 * What the admin API takes and gives, as schemas: Fastify checks requests by them, serialises answers by them and writes the
 * OpenAPI description from them. Before it: routes.ts.
 */
import Type, { type Static } from 'typebox';

const time = (description: string) => Type.Integer({ description: `${description}; Unix time, ms` });

export const ProblemSchema = Type.Object(
  {
    error: Type.String({ description: 'A word for programs' }),
    message: Type.String({ description: 'A sentence for people' }),
  },
  { description: 'Why it was not done' },
);

export const HealthSchema = Type.Object({ status: Type.Literal('ok') });

export const ReadinessSchema = Type.Object({
  ready: Type.Boolean(),
  reasons: Type.Array(Type.String(), { description: 'What keeps the node from taking clients' }),
});

export const NodeSchema = Type.Object({
  node: Type.String(),
  role: Type.String(),
  version: Type.String(),
  pid: Type.Integer(),
  startedAtMs: time('When it started'),
  draining: Type.Boolean(),
  connections: Type.Integer({ description: 'Publishers and viewers, those without a role yet included' }),
  connectionLimit: Type.Integer(),
  mergeWindowMs: Type.Number(),
  longestFlushMs: Type.Number({ description: 'Longest time one flush held the event loop within ten seconds' }),
  addresses: Type.Record(Type.String(), Type.String()),
});

export const StreamSchema = Type.Object({
  app: Type.String(),
  name: Type.String(),
  source: Type.String({ description: 'publisher, relay or none' }),
  viewers: Type.Integer({ description: 'Viewers here, relays not counted' }),
  bytesIn: Type.Integer(),
  bytesOut: Type.Integer(),
  videoFrames: Type.Integer(),
  audioFrames: Type.Integer(),
});

const useOf = (where: string) => ({
  viewers: Type.Integer({ description: `Viewers ${where}, those who wait for their stream included` }),
  publishers: Type.Integer({ description: `Publishers ${where}` }),
  bitsPerSecond: Type.Integer({ description: `Sent to its viewers ${where}, over the last seconds` }),
});

export const AppSchema = Type.Object({
  app: Type.String(),
  ...useOf('on this node'),
  cluster: Type.Object(useOf('on all nodes'), {
    description: 'What this node knows: others say it once a second, and only of apps with a quota',
  }),
  quota: Type.Partial(Type.Object(useOf('at most')), { description: 'limits.apps; what is absent is not limited' }),
});

export const ConnectionSchema = Type.Object({
  id: Type.String(),
  role: Type.String({ description: 'publisher, viewer or relay' }),
  protocol: Type.String(),
  app: Type.String(),
  stream: Type.String(),
  clientAddress: Type.String(),
  clientPort: Type.Integer(),
  session: Type.String(),
  userAgent: Type.String(),
  openedAtMs: time('When it got its role'),
  bytesIn: Type.Integer(),
  bytesOut: Type.Integer({ description: 'Handed to the socket' }),
  queuedBytes: Type.Integer({ description: 'Of these, not yet taken by the kernel' }),
});
export type ConnectionView = Static<typeof ConnectionSchema>;

export const ConnectionQuerySchema = Type.Object({
  role: Type.Optional(Type.String()),
  app: Type.Optional(Type.String()),
  stream: Type.Optional(Type.String()),
  clientAddress: Type.Optional(Type.String()),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1_000 })),
});
export type ConnectionQuery = Static<typeof ConnectionQuerySchema>;

export const ConnectionListSchema = Type.Object({
  connections: Type.Array(ConnectionSchema),
  total: Type.Integer({ description: 'How many fit the query, listed or not' }),
});

export const IdSchema = Type.Object({ id: Type.String({ maxLength: 64 }) });

export const DrainSchema = Type.Object(
  {
    deadlineSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 604_800,
        description: 'The node ends when it is empty, at the latest after so long; absent = it drains and stays',
      }),
    ),
  },
  { additionalProperties: false, default: {} },
);

export const DrainStateSchema = Type.Object({
  draining: Type.Boolean(),
  connections: Type.Integer({ description: 'Still here' }),
  endsAtMs: Type.Union([Type.Integer(), Type.Null()], {
    description: 'When the node ends at the latest; Unix time, ms',
  }),
  told: Type.Integer({ description: 'Clients that can be told to reconnect, and were' }),
});

export const ReloadSchema = Type.Object({
  changed: Type.Array(Type.String(), { description: 'Keys whose new value is in force' }),
  certificate: Type.Boolean({ description: 'The certificate was read again' }),
});
