/** Starting a Grafana: found where it may be, given everything by environment and files, ended again; clear words without one. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createLogger } from '@weir/contracts/logger';
import { findGrafana } from './find.ts';
import { type GrafanaOptions, startGrafana } from './start.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-grafana-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Stands in for Grafana's program, which cannot run here: answers its health check and writes down what it was given. */
function standIn(home: string): void {
  mkdirSync(join(home, 'bin'), { recursive: true });
  mkdirSync(join(home, 'conf'), { recursive: true });
  writeFileSync(join(home, 'conf', 'defaults.ini'), '');
  writeFileSync(
    join(home, 'bin', 'grafana'),
    `#!${process.execPath}
const { writeFileSync, mkdirSync } = require('node:fs');
if (process.argv[2] === 'cli') { mkdirSync(process.argv[process.argv.indexOf('--pluginsDir') + 1] + '/grafana-clickhouse-datasource'); process.exit(0); }
writeFileSync(process.env.GF_PATHS_DATA + '/given.json', JSON.stringify({ args: process.argv.slice(2), env: process.env }));
require('node:http').createServer((q, s) => s.end('{}')).listen(Number(process.env.GF_SERVER_HTTP_PORT), process.env.GF_SERVER_HTTP_ADDR);
`,
  );
  chmodSync(join(home, 'bin', 'grafana'), 0o755);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address ? address.port : 0;
}

const options = (port: number, environment: NodeJS.ProcessEnv): GrafanaOptions => ({
  how: 'found',
  host: '127.0.0.1',
  port,
  dataDir: join(folder, 'grafana'),
  clickhouse: { url: 'http://127.0.0.1:18123', database: 'weir', user: 'weir_read', password: 's3cret' },
  webhookUrl: '',
  mayInstallPlugin: true,
  anonymous: true,
  environment,
  logger: createLogger('test', 'silent'),
});

describe('starting Grafana', () => {
  it('uses GRAFANA_HOME, installs the plugin, hands over data source and files, and ends it', async () => {
    const home = join(folder, 'home');
    standIn(home);
    const port = await freePort();
    const grafana = await startGrafana(options(port, { GRAFANA_HOME: home, PATH: '' }));
    const data = join(folder, 'grafana');
    const given = JSON.parse(readFileSync(join(data, 'data', 'given.json'), 'utf8'));
    assert.deepEqual(given.args, ['server', '--homepath', home]);
    assert.equal(given.env.WEIR_CLICKHOUSE_PORT, '18123');
    assert.equal(given.env.WEIR_CLICKHOUSE_READ_PASSWORD, 's3cret');
    assert.equal(given.env.GF_PATHS_PROVISIONING, join(data, 'provisioning'));
    for (const file of [
      'dashboards/weir-cluster.json',
      'provisioning/alerting/weir-rules.yaml',
      'plugins/grafana-clickhouse-datasource',
    ]) {
      assert.ok(existsSync(join(data, file)), file);
    }
    await grafana.close();
    await assert.rejects(fetch(`${grafana.url}/api/health`));
    assert.throws(() => process.kill(grafana.pid, 0));
  });

  it('finds the program on the PATH too', () => {
    const home = join(folder, 'on-path');
    standIn(home);
    assert.equal(findGrafana({ PATH: `/nowhere:${join(home, 'bin')}` })?.home, home);
  });

  it('says in one sentence how to get a Grafana, a plugin or Docker when it is missing', async () => {
    await assert.rejects(startGrafana(options(1, { PATH: '' })), {
      code: 'GRAFANA_MISSING',
      message: /grafana\.com\/grafana\/download/,
    });
    await assert.rejects(startGrafana({ ...options(1, { PATH: '' }), how: 'docker' }), {
      code: 'GRAFANA_MISSING',
      message: /docker/,
    });
    const home = join(folder, 'no-plugin');
    standIn(home);
    const bare = { ...options(1, { GRAFANA_HOME: home }), dataDir: join(folder, 'other'), mayInstallPlugin: false };
    await assert.rejects(startGrafana(bare), { code: 'GRAFANA_PLUGIN_MISSING', message: /grafana cli/ });
  });
});
