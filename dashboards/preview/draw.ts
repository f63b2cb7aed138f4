/**
 * Draws every dashboard from the real results of its queries in headless Chromium, for the README: what the panels look
 * like without a Grafana at hand. Before it: check/run.ts's way of asking; after it: dashboards/preview/*.png.
 */
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { breaching, type RuleRow } from '../alerts/evaluate.ts';
import { RULE_WINDOW_SECONDS, ruleSql } from '../alerts/rule.ts';
import { ALERT_RULES } from '../alerts/rules.ts';
import { ALL_DASHBOARDS } from '../all.ts';
import { COLOR } from '../build/colors.ts';
import { buildDashboard, panelsOf } from '../build/dashboards.ts';
import type { DashboardSpec, PanelSpec } from '../build/panel-spec.ts';
import { expandQuery } from '../check/expand.ts';
import type { Ask } from '../check/run.ts';

/** What to draw from, and where to. */
export interface DrawOptions {
  readonly ask: Ask;
  /** End of ranges that name none, Unix ms. */
  readonly toMs: number;
  /** Length and end of a dashboard's range where it is not the dashboard's own. */
  readonly ranges?: Partial<Record<DashboardSpec['name'], { readonly hours: number; readonly toMs?: number }>>;
  readonly folder: string;
  /** Dashboards to draw; all when empty or missing. */
  readonly only?: readonly string[];
  /** Chromium's program. */
  readonly chromiumPath?: string;
}

const PAGE = new URL('./page.html', import.meta.url);
const WIDTH = 1_600;

/** Draws the dashboards; resolves with the files written. */
export async function drawDashboards(options: DrawOptions): Promise<string[]> {
  mkdirSync(options.folder, { recursive: true });
  const executablePath = options.chromiumPath ?? '/usr/bin/chromium';
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    // the page's own modules lie beside it
    '--allow-file-access-from-files',
  ];
  const browser = await chromium.launch({ executablePath, args });
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH, height: 900 }, timezoneId: 'UTC' });
    const files: string[] = [];
    const { only = [] } = options;
    for (const spec of ALL_DASHBOARDS.filter(({ name }) => only.length === 0 || only.includes(name))) {
      const model = await modelOf(spec, options);
      await page.goto(PAGE.href);
      await page.addScriptTag({ path: createRequire(import.meta.url).resolve('echarts/dist/echarts.min.js') });
      await page.waitForFunction('globalThis.renderDashboard !== undefined');
      await page.evaluate(`globalThis.renderDashboard(${JSON.stringify(model)})`);
      const path = join(options.folder, `${spec.name}.png`);
      await page.screenshot({ path, fullPage: true });
      files.push(path);
    }
    return files;
  } finally {
    await browser.close();
  }
}

/** The dashboard with its data, as page.mjs takes it. */
async function modelOf(spec: DashboardSpec, options: DrawOptions): Promise<unknown> {
  const { hours, toMs = options.toMs } = options.ranges?.[spec.name] ?? {
    hours: Number(/^now-(\d+)h$/.exec(spec.from)?.[1] ?? 1),
  };
  const range = { ask: options.ask, fromMs: toMs - hours * 3_600_000, toMs };
  const specs = new Map(panelsOf(spec).map((panel) => [panel.id, panel]));
  const items: unknown[] = [];
  for (const built of buildDashboard(spec).panels ?? []) {
    const panel = specs.get(built.id ?? -1);
    const place = built.gridPos ?? { x: 0, y: 0, w: 24, h: 1 };
    if (!panel) items.push({ kind: 'row', title: built.title, ...place });
    else if (panel.kind === 'alertlist') items.push({ ...look(panel), ...place, alarms: await alarms(range) });
    else items.push({ ...look(panel), ...place, results: await results(panel, range) });
  }
  return { title: spec.title, description: spec.description, items, marks: await marks(spec, range) };
}

interface Range {
  readonly ask: Ask;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Rules that fire at the end of the range, the gravest first. */
async function alarms({ ask, toMs }: Range): Promise<unknown[]> {
  const context = { fromMs: toMs - RULE_WINDOW_SECONDS * 1_000, toMs, maxDataPoints: 1_000, variables: {} };
  const firing: { title: string; severity: string; labels: string }[] = [];
  for (const rule of ALERT_RULES.toSorted((a, b) => a.severity.localeCompare(b.severity))) {
    const { rows } = await ask(expandQuery(ruleSql(rule), context));
    for (const { cluster: _, ...labels } of breaching(rule, rows as RuleRow[]).values()) {
      firing.push({ title: rule.title, severity: rule.severity, labels: Object.values(labels).join(' ') });
    }
  }
  return firing;
}

/** Annotations as points in time. */
async function marks(spec: DashboardSpec, range: Range): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const { sql, color } of spec.annotations) {
    const { rows } = await range.ask(expandQuery(sql, { ...range, maxDataPoints: 200, variables: {} }));
    for (const { time, text } of rows) all.push({ time, text, hex: COLOR[color] });
  }
  return all;
}

function look(panel: PanelSpec): Record<string, unknown> {
  const fields = Object.fromEntries(
    Object.entries(panel.fields ?? {}).map(([name, field]) => [
      name,
      { ...field, hex: field.color && COLOR[field.color] },
    ]),
  );
  return { ...panel, queries: undefined, fields };
}

async function results(panel: PanelSpec, range: Range): Promise<unknown[]> {
  const { ask, fromMs, toMs } = range;
  const context = { fromMs, toMs, maxDataPoints: panel.points ?? 200, variables: {} };
  const all: unknown[] = [];
  for (const { sql } of panel.queries) {
    const { columns, rows } = await ask(expandQuery(sql, context));
    all.push({ columns: columns.map(({ name, type }) => ({ name, kind: kindOf(type) })), rows });
  }
  return all;
}

function kindOf(type: string): 'number' | 'time' | 'text' {
  if (/^(Nullable\()?(U?Int|Float|Decimal)/.test(type)) return 'number';
  return /DateTime/.test(type) ? 'time' : 'text';
}
