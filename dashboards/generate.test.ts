/** What is generated: equal to what is committed, complete, linked rightly, and of Grafana's published types. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { provisionRules } from './alerts/provision.ts';
import { ruleSql } from './alerts/rule.ts';
import { ALERT_RULES } from './alerts/rules.ts';
import { ALL_DASHBOARDS } from './all.ts';
import { buildDashboard, panelsOf, VARIABLE_SQL } from './build/dashboards.ts';
import { generateFiles } from './files.ts';
import { differences, writeFiles } from './generate.ts';

const GENERATED = fileURLToPath(new URL('./generated/', import.meta.url));
const ROOT = fileURLToPath(new URL('../', import.meta.url));

/** A folder from which node_modules can be found. */
function scratch(): string {
  const parent = join(ROOT, 'node_modules', '.cache');
  mkdirSync(parent, { recursive: true });
  return `${mkdtempSync(join(parent, 'dashboards-'))}/`;
}

describe('the generated files', () => {
  it('are what their sources make', () => {
    assert.deepEqual(differences(GENERATED, generateFiles()), []);
  });

  it('are told apart when one is changed, missing or left over', () => {
    const folder = scratch();
    try {
      const [first, second, ...rest] = generateFiles();
      assert.ok(first && second);
      writeFiles(folder, [{ ...first, text: 'changed' }, { path: 'old.json', text: '' }, ...rest]);
      assert.deepEqual(differences(folder, generateFiles()), [
        `${first.path} is not what its source makes`,
        `${second.path} is missing`,
        'old.json has no source any more',
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('keep macros and variables as they are through YAML', () => {
    const file = generateFiles().find(({ path }) => path.endsWith('weir-rules.yaml'));
    assert.deepEqual(parse(file?.text ?? ''), JSON.parse(JSON.stringify(provisionRules())));
  });

  it('tell the data source nothing but what the plugin reads, all of it as text', () => {
    const file = readFileSync(join(GENERATED, 'provisioning/datasources/weir.yaml'), 'utf8');
    const [{ jsonData, secureJsonData, ...rest }] = parse(file).datasources;
    // host, port … of LoadSettings in the plugin's pkg/plugin/settings.go, which takes numbers and booleans as text too
    const read = ['host', 'port', 'protocol', 'secure', 'username', 'defaultDatabase', 'dialTimeout', 'queryTimeout'];
    assert.deepEqual(Object.keys(jsonData).toSorted(), read.toSorted());
    assert.ok(Object.values(jsonData).every((value) => typeof value === 'string'));
    assert.deepEqual(Object.keys(secureJsonData), ['password']);
    assert.deepEqual(
      [rest.type, rest.uid, rest.access, rest.editable],
      ['grafana-clickhouse-datasource', 'weir-clickhouse', 'proxy', false],
    );
  });

  it("have the types that Grafana publishes for dashboards, panels' options and rules", () => {
    const folder = scratch();
    try {
      writeFileSync(join(folder, 'check.ts'), typeCheckSource());
      const flags = [
        '--ignoreConfig',
        '--noEmit',
        '--strict',
        '--allowImportingTsExtensions',
        '--skipLibCheck',
        '--module',
        'nodenext',
        '--target',
        'esnext',
        '--types',
        'node',
      ];
      const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
      const env = { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env.PATH ?? ''}` };
      const { status, stdout } = spawnSync(tsc, [...flags, join(folder, 'check.ts')], { encoding: 'utf8', env });
      assert.equal(status, 0, stdout.slice(0, 3_000));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** The committed JSON as literals that must satisfy the SDK's types; enums count by their values. */
function typeCheckSource(): string {
  const kinds = ['timeseries', 'stat', 'table', 'bargauge'];
  const lines = [
    "import type * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';",
    "import type * as alerting from '@grafana/grafana-foundation-sdk/alerting';",
    `import type { AlertListOptions } from ${JSON.stringify(join(ROOT, 'dashboards/build/panels.ts'))};`,
    ...kinds.map((kind) => `import type * as ${kind} from '@grafana/grafana-foundation-sdk/${kind}';`),
    `type Loose<T> = T extends { _implementsDataqueryVariant(): void } ? Record<string, unknown>
  : T extends string ? \`\${T}\` : T extends (infer E)[] ? Loose<E>[] : T extends object ? { [K in keyof T]: Loose<T[K]> } : T;`,
  ];
  for (const spec of ALL_DASHBOARDS) {
    const text = readFileSync(join(GENERATED, `dashboards/weir-${spec.name}.json`), 'utf8');
    lines.push(`export const ${spec.name} = ${text.trim()} satisfies Loose<dashboard.Dashboard>;`);
    for (const panel of JSON.parse(text).panels as {
      type: string;
      id: number;
      options?: unknown;
      fieldConfig?: { defaults: { custom?: unknown } };
    }[]) {
      if (panel.type === 'alertlist')
        lines.push(`export const alarms${panel.id} = ${JSON.stringify(panel.options)} satisfies AlertListOptions;`);
      if (!kinds.includes(panel.type)) continue;
      lines.push(
        `export const ${spec.name}${panel.id}options = ${JSON.stringify(panel.options)} satisfies Loose<${panel.type}.Options>;`,
      );
      if (panel.type === 'timeseries' || panel.type === 'table') {
        const custom = JSON.stringify(panel.fieldConfig?.defaults.custom ?? {});
        lines.push(
          `export const ${spec.name}${panel.id}custom = ${custom} satisfies Partial<Loose<${panel.type}.FieldConfig>>;`,
        );
      }
    }
  }
  for (const [i, rule] of provisionRules()
    .groups.flatMap(({ rules }) => rules)
    .entries()) {
    const { keepFiringFor, dashboardUid, panelId, isPaused, ...rest } = rule;
    lines.push(
      `export const rule${i} = ${JSON.stringify(rest)} satisfies Loose<Pick<alerting.Rule, 'uid' | 'title' | 'condition' | 'data' | 'noDataState' | 'execErrState' | 'for' | 'annotations' | 'labels'>>;`,
    );
  }
  const committed = (name: string) => parse(readFileSync(join(GENERATED, `provisioning/${name}.yaml`), 'utf8'));
  for (const { receivers } of committed('alerting/weir-contact-points').contactPoints)
    lines.push(`export const receivers = ${JSON.stringify(receivers)} satisfies Loose<alerting.ContactPoint[]>;`);
  for (const { orgId, ...policy } of committed('alerting/weir-policy').policies)
    lines.push(`export const policy = ${JSON.stringify(policy)} satisfies Loose<alerting.NotificationPolicy>;`);
  return lines.join('\n');
}

describe('every panel', () => {
  for (const spec of ALL_DASHBOARDS) {
    it(`of ${spec.title} says what it shows, fits the grid and has an id of its own`, () => {
      const panels = panelsOf(spec);
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
      for (const panel of panels) {
        assert.ok(panel.description.length > 40 && panel.description.endsWith('.'), panel.title);
        assert.ok(panel.width <= 24, panel.title);
        assert.equal(panel.queries.length === 0, panel.kind === 'alertlist', panel.title);
      }
      const places = (buildDashboard(spec).panels ?? []).map(({ gridPos }) => gridPos);
      for (const [i, a] of places.entries()) {
        for (const b of places.slice(i + 1)) {
          if (!a || !b) continue;
          const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
          assert.ok(apart, `${JSON.stringify(a)} lies over ${JSON.stringify(b)}`);
        }
      }
    });
  }
});

describe('every dashboard', () => {
  for (const spec of ALL_DASHBOARDS) {
    it(`${spec.title} can be narrowed to several values or all, refreshes itself, and leads on with time and variables kept`, () => {
      const built = buildDashboard(spec);
      for (const variable of built.templating?.list ?? []) {
        if (variable.type === 'query')
          assert.deepEqual([variable.multi, variable.includeAll, variable.allValue], [true, true, '*'], variable.name);
      }
      assert.match(built.refresh ?? '', /^\d+s$/);
      const [links] = built.links ?? [];
      assert.deepEqual([links?.type, links?.keepTime, links?.includeVars], ['dashboards', true, true]);
      const json = JSON.stringify(built.panels);
      for (const [, url = ''] of json.matchAll(/"url":"(\/d\/(?:[^"\\]|\\.)+)"/g)) {
        const [, name] = /^\/d\/weir-(\w+)\?/.exec(url) ?? [];
        assert.ok(
          ALL_DASHBOARDS.some((dashboard) => dashboard.name === name),
          url,
        );
        assert.ok(url.includes(`$\{__url_time_range}`), url);
        for (const variable of spec.variables)
          assert.ok(url.includes(`$\{${variable}:queryparam}`) !== url.includes(`var-${variable}=`), url);
      }
      const used = new Set([...json.matchAll(/\$\{(\w+):customqueryparam/g)].map(([, name]) => String(name)));
      const there = new Set((built.templating?.list ?? []).map(({ name }) => name));
      assert.deepEqual(
        [...used].filter((name) => !there.has(name)),
        [],
        'uses no variable it lacks',
      );
    });
  }
});

describe('every query', () => {
  it('has no comment, and no macro inside quotes, which the plugin leaves alone or cuts out', () => {
    const queries = [
      ...ALL_DASHBOARDS.flatMap((spec) => [
        ...panelsOf(spec).flatMap((panel) => panel.queries.map(({ sql }) => sql)),
        ...spec.annotations.map(({ sql }) => sql),
      ]),
      ...Object.values(VARIABLE_SQL),
      ...ALERT_RULES.map(ruleSql),
    ];
    const macros = (sql: string): number => sql.split('$__').length;
    for (const sql of queries) {
      // strings and names as the plugin's reader tells them apart: a backslash escapes in a string
      const bare = sql.replaceAll(/'(?:[^'\\]|\\.)*'|`[^`]*`/g, "''");
      assert.equal(macros(bare), macros(sql), sql);
      assert.doesNotMatch(bare, /--|\/\*|\$\w*\$/, sql);
    }
  });
});

describe('every alert rule', () => {
  it('has an id of its own, a runbook with its three sections, and a panel that is there', () => {
    assert.equal(new Set(ALERT_RULES.map(({ name }) => name)).size, ALERT_RULES.length);
    for (const rule of ALERT_RULES) {
      const runbook = fileURLToPath(new URL(`./runbooks/${rule.name}.md`, import.meta.url));
      assert.ok(existsSync(runbook), runbook);
      const text = readFileSync(runbook, 'utf8');
      for (const heading of ['What it means', 'How to look', 'What to do'])
        assert.ok(text.includes(`## ${heading}\n`), runbook);
      const dashboard = ALL_DASHBOARDS.find(({ name }) => name === rule.dashboard);
      assert.ok(dashboard && panelsOf(dashboard).some(({ id }) => id === rule.panelId), rule.name);
    }
  });
  it('fires above another figure where that is asked for, and names the rules there are otherwise', () => {
    const of = (files: ReturnType<typeof generateFiles>) =>
      files.find(({ path }) => path.endsWith('weir-rules.yaml'))?.text ?? '';
    const changed = parse(of(generateFiles({ thresholds: { 'connections-near-limit': 0.8 } }))) as ReturnType<
      typeof provisionRules
    >;
    const rule = changed.groups.flatMap(({ rules }) => rules).find(({ uid }) => uid === 'weir-connections-near-limit');
    assert.deepEqual(rule?.data[1]?.model.conditions, [{ evaluator: { type: 'gt', params: [0.8] } }]);
    assert.throws(() => generateFiles({ thresholds: { nope: 1 } }), { code: 'DASHBOARD_RULE', message: /cpu-full/ });
  });
  it('uses nothing that only a browser expands, and names a figure and whom it concerns', () => {
    for (const { rules } of provisionRules().groups) {
      for (const rule of rules) {
        const sql = String(rule.data[0]?.model.rawSql);
        assert.doesNotMatch(sql, /\$\{|\$__conditionalAll|\$__interval/, rule.title);
        const summary = rule.annotations?.summary ?? '';
        assert.match(summary, /\{\{ .*\.Values\.A/, rule.title);
        // Grafana's provisioning would take a $ for a variable of its environment
        assert.doesNotMatch(summary, /\$/);
      }
    }
  });
});
