// Kubernetes manifests without a cluster: schemas of Kubernetes and KEDA, and everything named against the code.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as keda from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { configLeaves, loadConfig } from '@weir/contracts/config/load';
import { TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import * as apps from 'kubernetes-models/apps/v1';
import * as batch from 'kubernetes-models/batch/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import { parse, parseAllDocuments } from 'yaml';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(repository, 'infra/kubernetes/');

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  // biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds; their schemas are checked below
  spec?: any;
  data?: Record<string, string>;
}

const read = (path: string): Manifest[] =>
  parseAllDocuments(readFileSync(join(folder, path), 'utf8')).map((document) => document.toJS() as Manifest);
const names = readdirSync(join(folder, 'base')).filter((name) => name !== 'kustomization.yaml');
const manifests = names.flatMap((name) => read(`base/${name}`));
const ofKind = (kind: string) => manifests.filter((manifest) => manifest.kind === kind);
const workloads = [...ofKind('StatefulSet'), ...ofKind('Deployment'), ...ofKind('Job')];
const podOf = (workload: Manifest) => workload.spec.template;
const containerOf = (workload: Manifest) => podOf(workload).spec.containers[0];
const labelsOf = (workload: Manifest) => podOf(workload).metadata.labels as Record<string, string>;

/** Models by version and kind; each validates against the published schema. */
const MODELS: Record<string, Record<string, unknown>> = {
  v1: core,
  'apps/v1': apps,
  'batch/v1': batch,
  'policy/v1': policy,
  'networking.k8s.io/v1': networking,
  'keda.sh/v1alpha1': keda,
};

function validate(manifest: Manifest): void {
  const Model = MODELS[manifest.apiVersion]?.[manifest.kind] as
    | (new (
        data: object,
      ) => { validate(): void })
    | undefined;
  assert.ok(Model, `${manifest.apiVersion} ${manifest.kind}`);
  new Model(manifest).validate();
}

describe('Kubernetes manifests', () => {
  it('are valid by the schemas of Kubernetes and KEDA', () => {
    assert.ok(manifests.length >= 18, String(manifests.length));
    for (const manifest of manifests)
      assert.doesNotThrow(() => validate(manifest), `${manifest.kind} ${manifest.metadata.name}`);
    const [broken] = structuredClone(ofKind('Deployment'));
    if (broken) broken.spec.template.spec.containers[0].ports = 'http';
    assert.throws(() => broken && validate(broken));
  });

  it('are all in the kustomization, and patches name what there is', () => {
    const base = parse(readFileSync(join(folder, 'base/kustomization.yaml'), 'utf8')) as { resources: string[] };
    assert.deepEqual([...base.resources].sort(), [...names].sort());
    const host = parse(readFileSync(join(folder, 'host-network/kustomization.yaml'), 'utf8')) as {
      patches: { path: string }[];
    };
    for (const { path } of host.patches) {
      const [patch] = read(`host-network/${path}`);
      assert.ok(
        ofKind(patch?.kind ?? '').some((manifest) => manifest.metadata.name === patch?.metadata.name),
        path,
      );
    }
  });

  it('set only configuration that exists, with values that load', () => {
    const known = new Set(configLeaves().map((leaf) => leaf.env));
    const maps = new Map(ofKind('ConfigMap').map((map) => [map.metadata.name, map.data ?? {}]));
    for (const workload of workloads) {
      const container = containerOf(workload);
      const shared = (container.envFrom ?? []).map((from: { configMapRef: { name: string } }) =>
        maps.get(from.configMapRef.name),
      );
      assert.ok(shared.every(Boolean), workload.metadata.name);
      const own = (container.env ?? []).map(({ name, value }: { name: string; value?: string }) => [
        name,
        value ?? 'x',
      ]);
      const env = Object.assign({}, ...shared, Object.fromEntries(own)) as Record<string, string>;
      assert.deepEqual(
        Object.keys(env).filter((name) => !known.has(name)),
        [],
        workload.metadata.name,
      );
      assert.doesNotThrow(() => loadConfig({ env }), workload.metadata.name);
    }
  });

  it('listen, probe and route on ports the parts have by default', () => {
    const config = loadConfig();
    const port = { rtmp: config.rtmp.port, relay: config.relay.port, http: config.http.port };
    for (const workload of [...ofKind('StatefulSet'), ...ofKind('Deployment')]) {
      const ingest = containerOf(workload).args[0] === 'ingest';
      const declared = new Map<string, number>(
        containerOf(workload).ports.map((one: { name: string; containerPort: number }) => [
          one.name,
          one.containerPort,
        ]),
      );
      for (const [name, number] of declared) {
        assert.equal(
          number,
          ingest ? config.ingest.port : port[name as keyof typeof port],
          `${workload.metadata.name} ${name}`,
        );
      }
      for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
        const http = containerOf(workload)[probe]?.httpGet;
        if (http)
          assert.ok(
            declared.has(http.port) && /^\/(healthz|readyz)$/.test(http.path),
            `${workload.metadata.name} ${probe}`,
          );
      }
    }
    for (const service of ofKind('Service')) {
      const target = workloads.find((workload) => matches(service.spec.selector, labelsOf(workload)));
      assert.ok(target, service.metadata.name);
      const declared = containerOf(target).ports.map((one: { name: string }) => one.name);
      for (const one of service.spec.ports)
        assert.ok(declared.includes(one.targetPort), `${service.metadata.name} ${one.targetPort}`);
    }
  });

  it('select what they mean to', () => {
    for (const workload of [...ofKind('StatefulSet'), ...ofKind('Deployment')]) {
      assert.ok(matches(workload.spec.selector.matchLabels, labelsOf(workload)), workload.metadata.name);
    }
    for (const budget of ofKind('PodDisruptionBudget')) {
      assert.ok(
        workloads.some((workload) => matches(budget.spec.selector.matchLabels, labelsOf(workload))),
        budget.metadata.name,
      );
    }
    for (const set of ofKind('StatefulSet')) {
      assert.ok(
        ofKind('Service').some((service) => service.metadata.name === set.spec.serviceName),
        set.metadata.name,
      );
    }
  });

  it('name origins by the names and ports they have', () => {
    const settings = manifests.find((manifest) => manifest.metadata.name === 'weir-settings');
    const origins = ofKind('StatefulSet').find((set) => set.metadata.name === 'weir-origin');
    const listed = settings?.data?.WEIR_RELAY_ORIGINS?.split(',') ?? [];
    assert.equal(listed.length, origins?.spec.replicas);
    listed.forEach((origin, at) => {
      assert.equal(
        origin,
        `weir-origin-${at}=weir-origin-${at}.weir-origin.weir.svc.cluster.local:${loadConfig().relay.port}`,
      );
    });
  });

  it('run as nobody in particular, with a read-only root and no rights', () => {
    for (const workload of workloads) {
      const { securityContext } = podOf(workload).spec;
      const container = containerOf(workload).securityContext;
      assert.ok(
        securityContext.runAsNonRoot && securityContext.seccompProfile.type === 'RuntimeDefault',
        workload.metadata.name,
      );
      assert.ok(
        container.readOnlyRootFilesystem && container.allowPrivilegeEscalation === false,
        workload.metadata.name,
      );
      assert.deepEqual(container.capabilities.drop, ['ALL'], workload.metadata.name);
    }
  });

  it('scale writers from none, one per partition, on a lag above a batch', () => {
    const [scaled] = ofKind('ScaledObject');
    const writer = ofKind('Deployment').find(
      (deployment) => deployment.metadata.name === scaled?.spec.scaleTargetRef.name,
    );
    assert.ok(writer && writer.spec.replicas === undefined, 'replicas would fight with KEDA');
    const settings = manifests.find((manifest) => manifest.metadata.name === 'weir-settings');
    const partitions = Number(settings?.data?.WEIR_TELEMETRY_PARTITIONS);
    const { triggers, minReplicaCount, maxReplicaCount } = scaled?.spec ?? {};
    assert.equal(minReplicaCount, 0);
    assert.equal(maxReplicaCount, partitions);
    assert.deepEqual(
      triggers.map((trigger: { metadata: { consumer: string } }) => trigger.metadata.consumer),
      Array.from({ length: partitions }, (_, at) => `weir-ingest-${at}`),
    );
    for (const { metadata } of triggers) {
      assert.equal(metadata.stream, TELEMETRY_STREAM);
      assert.ok(Number(metadata.lagThreshold) > loadConfig().ingest.batchMaxMessages, metadata.lagThreshold);
    }
  });

  it('drain edges and origins before they end, and give them the time for it', () => {
    for (const set of ofKind('StatefulSet')) {
      const [shell, , line = ''] = containerOf(set).lifecycle.preStop.exec.command as string[];
      const [, program = '', wait] = /^node (\S+) drain "\$WEIR_NODE_NAME" --wait (\d+) /.exec(line) ?? [];
      assert.equal(shell, 'sh');
      // where the image has it, and an option that the command has
      const here = program.replace(/^\/opt\/weir\//, repository);
      assert.match(execFileSync(process.execPath, [here, 'drain', '--help'], { encoding: 'utf8' }), /--wait <seconds>/);
      assert.ok(podOf(set).spec.terminationGracePeriodSeconds >= Number(wait) + 20, set.metadata.name);
      const given = containerOf(set).env.map(({ name }: { name: string }) => name);
      assert.ok(given.includes('WEIR_NODE_NAME') && given.includes('WEIR_NATS_PASSWORD'), String(given));
    }
  });
});

function matches(selector: Record<string, string>, labels: Record<string, string>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
