/**
 * A real edge or origin node inside the test process: free ports, its own folders, quiet, without telemetry (one process
 * can measure one node only), without workers; everything can be overridden.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { createLogger } from '@weir/contracts/logger';
import { type Node, startNode } from '@weir/edge/main';

/** A node under test. */
export interface TestNode extends Node {
  /** `rtmp://127.0.0.1:<port>/<app/name>`. */
  rtmpUrl(stream: string): string;
  /** `http://127.0.0.1:<port><path>`. */
  httpUrl(path: string): string;
}

/** Key of all test nodes. */
export const TEST_RELAY_KEY = 'key of the test cluster';

/** A NATS address nobody listens on: for nodes that are to run without. */
export const NO_NATS = 'nats://127.0.0.1:1';

/**
 * Starts a node with `overrides` over the defaults of tests: ports 0, loopback, one relay key, no NATS unless given in
 * `nats.servers`. `WEIR_TEST_LOG` sets its log level. `reread` gives the overrides a reload is to find;
 * `measures` turns its telemetry on.
 */
export async function startTestNode(
  overrides: PartialConfig = {},
  { reread, measures = false }: { reread?: () => PartialConfig; measures?: boolean } = {},
): Promise<TestNode> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-node-'));
  const host = '127.0.0.1';
  const configWith = (own: PartialConfig) =>
    loadConfig({
      values: {
        ...own,
        machine: { stateDir: join(folder, 'machine'), ...own.machine },
        node: { name: 'edge-a', workers: 1, dataDir: join(folder, 'node'), ...own.node },
        rtmp: { host, port: 0, tlsPort: 0, ...own.rtmp },
        http: { host, port: 0, tlsPort: 0, ...own.http },
        relay: { host, port: 0, keys: [TEST_RELAY_KEY], ...own.relay },
        nats: { servers: [NO_NATS], ...own.nats },
      },
    });
  const config = configWith(overrides);
  const level = process.env.WEIR_TEST_LOG === 'debug' ? 'debug' : 'silent';
  const node = await startNode({
    config,
    logger: createLogger(config.node.name, level),
    measures,
    readConfig: reread && (() => configWith(reread())),
  });
  return {
    ...node,
    rtmpUrl: (stream) => `rtmp://${node.addresses.rtmp}/${stream}`,
    httpUrl: (path) => `http://${node.addresses.http}${path}`,
    async close() {
      await node.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
