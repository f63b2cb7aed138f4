/** Puts a dashboard together: rows and panels on the grid, variables, links to the other dashboards, annotations. */
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { METRICS } from '@weir/contracts/metrics';
import { TABLE, VIEW } from '@weir/contracts/tables';
import { COLOR } from './colors.ts';
import { ALL_VALUE, picked, sqlText, type VariableName } from './filters.ts';
import { type AnnotationSpec, type DashboardSpec, dashboardUid, type PanelSpec } from './panel-spec.ts';
import { buildPanel } from './panels.ts';
import { ClickHouseQuery, DATASOURCE } from './query.ts';

/** Tag of all our dashboards; the drop-down of links lists by it. */
export const TAG = 'weir';

const STREAM_SERIES = `${VIEW.series} WHERE metric = ${sqlText(METRICS['live.stream.viewers'].name)} AND ${picked('cluster', 'cluster')}`;

/** The query behind each variable: names as they are, at most 5,000. */
export const VARIABLE_SQL: Readonly<Record<VariableName, string>> = {
  cluster: `SELECT DISTINCT cluster FROM ${TABLE.nodes} ORDER BY cluster`,
  node: `SELECT node FROM ${TABLE.nodes} WHERE role IN ('edge', 'origin', 'ingest', 'agent') AND ${picked('cluster', 'cluster')} ORDER BY node LIMIT 5000`,
  app: `SELECT DISTINCT attributes['app'] AS app FROM ${STREAM_SERIES} ORDER BY app LIMIT 5000`,
  stream: `SELECT DISTINCT attributes['stream'] AS stream FROM ${STREAM_SERIES} AND ${picked("attributes['app']", 'app')} ORDER BY stream LIMIT 5000`,
};

/** The dashboard as Grafana's classic JSON. */
export function buildDashboard(spec: DashboardSpec): dashboard.Dashboard {
  const builder = new dashboard.DashboardBuilder(spec.title)
    .uid(dashboardUid(spec.name))
    .description(spec.description)
    .tags([TAG])
    .timezone('browser')
    .weekStart('monday')
    .editable()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .time({ from: spec.from, to: 'now' })
    .refresh(spec.refresh)
    .timepicker(new dashboard.TimePickerBuilder().refreshIntervals(['5s', '10s', '30s', '1m', '5m', '15m', '1h']))
    .link(
      new dashboard.DashboardLinkBuilder('Weir')
        .type(dashboard.DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(false)
        .includeVars(true)
        .keepTime(true),
    );
  for (const name of spec.variables) builder.withVariable(variable(name));
  if (spec.addressBox) {
    builder.withVariable(new dashboard.TextBoxVariableBuilder('address').label('Address or subnet').defaultValue(''));
  }
  builder.annotation(grafanaAlerts());
  for (const annotation of spec.annotations) builder.annotation(annotationQuery(annotation));
  const built = builder.build();
  built.panels = layOut(spec);
  built.schemaVersion = 42;
  return built;
}

function variable(name: VariableName): dashboard.QueryVariableBuilder {
  return new dashboard.QueryVariableBuilder(name)
    .label(name.charAt(0).toUpperCase() + name.slice(1))
    .datasource(DATASOURCE)
    .query(VARIABLE_SQL[name])
    .multi(true)
    .includeAll(true)
    .allValue(ALL_VALUE)
    .allowCustomValue(true)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.Disabled)
    .current({ selected: true, text: ['All'], value: ['$__all'] });
}

/** Grafana's own marks: state changes of the alert rules that point at panels of this dashboard. */
function grafanaAlerts(): dashboard.AnnotationQueryBuilder {
  return new dashboard.AnnotationQueryBuilder()
    .name('Alerts')
    .builtIn(1)
    .type('dashboard')
    .datasource({ type: 'grafana', uid: '-- Grafana --' })
    .enable(true)
    .iconColor(COLOR.red);
}

function annotationQuery(spec: AnnotationSpec): dashboard.AnnotationQueryBuilder {
  return new dashboard.AnnotationQueryBuilder()
    .name(spec.name)
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor(COLOR[spec.color])
    .target(new ClickHouseQuery('annotation', 'table', spec.sql));
}

/** Rows of full width, panels from left to right; a panel that does not fit begins a new line. */
function layOut(spec: DashboardSpec): (dashboard.Panel | dashboard.RowPanel)[] {
  const panels: (dashboard.Panel | dashboard.RowPanel)[] = [];
  let y = 0;
  for (const [index, group] of spec.groups.entries()) {
    const row = new dashboard.RowBuilder(group.title)
      .id(1_000 + index)
      .gridPos({ h: 1, w: 24, x: 0, y })
      .build();
    panels.push(row);
    y += 1;
    let x = 0;
    let lineHeight = 0;
    for (const panel of group.panels) {
      if (x + panel.width > 24) {
        y += lineHeight;
        x = 0;
        lineHeight = 0;
      }
      panels.push({ ...buildPanel(panel, spec.variables), gridPos: { h: panel.height, w: panel.width, x, y } });
      x += panel.width;
      lineHeight = Math.max(lineHeight, panel.height);
    }
    y += lineHeight;
  }
  return panels;
}

/** All panels of a dashboard in reading order. */
export function panelsOf(spec: DashboardSpec): PanelSpec[] {
  return spec.groups.flatMap((group) => group.panels);
}
