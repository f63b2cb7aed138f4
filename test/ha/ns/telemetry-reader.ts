/**
 * Makes the telemetry stream on a rendered NATS server, or prints what one node told there as JSON: all its events, and the
 * samples of metrics whose names begin so. Runs inside the server's namespace:
 * node telemetry-reader.ts make|read SERVER SECRETS_FILE [NODE PREFIX...]
 */
import { readFileSync } from 'node:fs';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { readTelemetry } from '@weir/test/harness/telemetry';
import { waitFor } from '@weir/test/harness/wait';

const [action, servers = '', secretsPath = '', node = '', ...prefixes] = process.argv.slice(2);
const pass = /^NATS_PASSWORD_ADMIN=(.*)$/m.exec(readFileSync(secretsPath, 'utf8'))?.[1] ?? '';
const connection = await waitFor('NATS', () => connect({ servers, user: 'admin', pass, timeout: 2_000 }));
if (action === 'make') {
  const settings = { nats: { replicas: 1 }, telemetry: { streamMaxBytes: 1e8, streamMaxAgeMs: 3_600_000 } };
  const manager = await waitFor('JetStream', () => jetstreamManager(connection, { timeout: 2_000 }));
  await ensureTelemetryStreams(manager, settings);
} else {
  const messages = await readTelemetry(connection);
  const wanted = messages.filter((message) => message.node === node);
  const plain = wanted.map(({ records, samples, ...message }) => ({
    ...message,
    samples: samples.filter(({ metric }) => prefixes.some((prefix) => metric.startsWith(prefix))),
    records: records.map(({ eventName, timeMs, attributes }) => ({
      eventName,
      timeMs,
      attributes: Object.fromEntries(attributes),
    })),
  }));
  process.stdout.write(JSON.stringify(plain));
}
await connection.close();
