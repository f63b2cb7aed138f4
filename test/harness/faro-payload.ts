/** What a browser's Faro SDK posts, in the shape it has. Before it: a test's figures; after it: ingest's receiver. */

/** One measurement of a player of `live/<stream>` at `edge-1`, a start after 412.5 ms; `more` replaces fields. */
export function faroMeasurement(stream: string, more: object = {}): object {
  return {
    type: 'player.start',
    values: { total_ms: 412.5 },
    timestamp: new Date().toISOString(),
    context: { app: 'live', stream, node: 'edge-1', connection: 'c-1', transport: 'ws-flv' },
    ...more,
  };
}

/** A payload of the session `session`, with what `more` holds (measurements, events, logs, exceptions, traces). */
export function faroPayload(session: string, more: object = {}): object {
  return {
    meta: {
      session: { id: session },
      page: { url: 'https://tv.example/live' },
      browser: { name: 'Chrome', version: '156.0.1' },
      os: { name: 'Linux' },
    },
    ...more,
  };
}
