/**
 * Three real nats-servers that form one JetStream cluster on loopback; each can be killed and started again. Before it:
 * nothing; after it: whatever must live through the death of a server.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { freePort } from './free-port.ts';
import { startNats, type TestNats } from './nats.ts';
import { waitFor } from './wait.ts';

/** A running cluster. */
export interface TestNatsCluster {
  readonly urls: readonly string[];
  /** By server name, `n0` to `n2`: what JetStream calls the leader of a stream. */
  readonly servers: ReadonlyMap<string, TestNats>;
  close(): Promise<void>;
}

const SIZE = 3;

/** Starts the servers and resolves when they have a leader for JetStream. */
export async function startNatsCluster(): Promise<TestNatsCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-nats-cluster-'));
  const ports = await Promise.all(Array.from({ length: SIZE }, () => freePort()));
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
  const servers = new Map<string, TestNats>();
  const close = async () => {
    await Promise.all([...servers.values()].map((server) => server.close()));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const [index, port] of ports.entries()) {
      const name = `n${index}`;
      const file = join(folder, `${name}.conf`);
      const cluster = `cluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
      writeFileSync(file, `server_name: ${name}\n${cluster}\n`);
      servers.set(name, await startNats({ dataDir: join(folder, name), args: ['-c', file] }));
    }
    const urls = [...servers.values()].map(({ url }) => url);
    await waitFor('the cluster to have a leader', async () => {
      const connection = await connect({ servers: urls, timeout: 2_000 });
      try {
        await (await jetstreamManager(connection)).getAccountInfo();
        return true;
      } finally {
        await connection.close();
      }
    });
    return { urls, servers, close };
  } catch (error) {
    await close();
    throw error;
  }
}
