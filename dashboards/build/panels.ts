/** Turns a panel's description into Grafana's JSON by the foundation SDK: one look for all panels of all dashboards. */
import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import type * as cog from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import { COLOR, STATUS } from './colors.ts';
import type { VariableName } from './filters.ts';
import { dashboardUid, type FieldLook, type PanelLink, type PanelSpec, type Thresholds } from './panel-spec.ts';
import { ClickHouseQuery, DATASOURCE } from './query.ts';

type AnyPanelBuilder = timeseries.PanelBuilder | stat.PanelBuilder | table.PanelBuilder | bargauge.PanelBuilder;

/** The panel as Grafana stores it, without a place on the grid; its links keep the variables of its dashboard. */
export function buildPanel(spec: PanelSpec, variables: readonly VariableName[]): dashboard.Panel {
  if (spec.kind === 'alertlist') return alertList(spec);
  const builder = builderOf(spec);
  const format = spec.kind === 'timeseries' || spec.spark ? 'timeseries' : 'table';
  builder
    .id(spec.id)
    .title(spec.title)
    .description(spec.description)
    .datasource(DATASOURCE)
    .targets(spec.queries.map(({ refId, sql }) => new ClickHouseQuery(refId, format, sql)))
    .noValue(spec.noValue ?? (spec.mayBeEmpty ? 'None' : 'No data in this range'))
    .maxDataPoints(spec.points ?? 200);
  if (spec.unit !== undefined) builder.unit(spec.unit);
  if (spec.decimals !== undefined) builder.decimals(spec.decimals);
  if (spec.min !== undefined) builder.min(spec.min);
  if (spec.max !== undefined) builder.max(spec.max);
  if (spec.links) builder.dataLinks(spec.links.map((link) => linkBuilder(link, spec.kind, variables)));
  builder.thresholds(thresholdsBuilder(spec.thresholds));
  builder.overrides(
    Object.entries(spec.fields ?? {}).map(([name, look]) => override(name, look, spec.kind, variables)),
  );
  return builder.build();
}

function builderOf(spec: PanelSpec): AnyPanelBuilder {
  if (spec.kind === 'timeseries') return timeseriesBuilder(spec);
  if (spec.kind === 'stat') {
    return new stat.PanelBuilder()
      .reduceOptions(lastOfAll(false))
      .colorMode(common.BigValueColorMode.Value)
      .graphMode(spec.spark ? common.BigValueGraphMode.Area : common.BigValueGraphMode.None)
      .textMode(common.BigValueTextMode.Auto)
      .colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds));
  }
  if (spec.kind === 'bars') {
    return new bargauge.PanelBuilder()
      .reduceOptions(lastOfAll(true))
      .orientation(common.VizOrientation.Horizontal)
      .displayMode(common.BarGaugeDisplayMode.Basic)
      .showUnfilled(true)
      .colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds));
  }
  const builder = new table.PanelBuilder().showHeader(true).filterable(true).cellHeight(common.TableCellHeight.Sm);
  const sort = spec.sort;
  if (sort) {
    builder.sortBy([new common.TableSortByFieldStateBuilder().displayName(sort.column).desc(sort.descending)]);
  }
  return builder;
}

/** What Grafana's alert list takes; the foundation SDK has no builder for it. Source: its panel's UnifiedAlertListOptions. */
export interface AlertListOptions {
  readonly viewMode: 'list' | 'stat';
  readonly maxItems: number;
  /** 3: by importance. */
  readonly sortOrder: 1 | 2 | 3 | 4 | 5;
  readonly groupMode: 'default' | 'custom';
  readonly groupBy: readonly string[];
  readonly alertName: string;
  readonly dashboardAlerts: boolean;
  /** Labels that rules or their instances must have, as a Prometheus selector. */
  readonly alertInstanceLabelFilter: string;
  readonly datasource: string;
  readonly showInstances: boolean;
  readonly showInactiveAlerts: boolean;
  readonly stateFilter: Readonly<Record<'firing' | 'pending' | 'recovering' | 'noData' | 'normal' | 'error', boolean>>;
}

/** All rules of ours that fire, wait to fire, or could not be evaluated. */
function alertList(spec: PanelSpec): dashboard.Panel {
  const options: AlertListOptions = {
    viewMode: 'list',
    maxItems: 50,
    sortOrder: 3,
    groupMode: 'default',
    groupBy: [],
    alertName: '',
    dashboardAlerts: false,
    alertInstanceLabelFilter: '{service="weir"}',
    datasource: '-- Grafana --',
    showInstances: true,
    showInactiveAlerts: false,
    stateFilter: { firing: true, pending: true, recovering: true, noData: true, normal: false, error: true },
  };
  const { id, title, description } = spec;
  return {
    ...new dashboard.PanelBuilder().type('alertlist').id(id).title(title).description(description).build(),
    options,
  };
}

function timeseriesBuilder(spec: PanelSpec): timeseries.PanelBuilder {
  const many = spec.legend !== undefined;
  const beside = many && spec.width >= 12;
  const builder = new timeseries.PanelBuilder()
    .drawStyle(spec.asBars ? common.GraphDrawStyle.Bars : common.GraphDrawStyle.Line)
    .lineWidth(spec.asBars ? 0 : many ? 1 : 2)
    .fillOpacity(spec.asBars ? 80 : spec.stacked ? 35 : many ? 0 : 10)
    .showPoints(common.VisibilityMode.Never)
    .spanNulls(false)
    .axisSoftMin(spec.min ?? 0)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(beside ? common.LegendDisplayMode.Table : common.LegendDisplayMode.List)
        .placement(beside ? common.LegendPlacement.Right : common.LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(!beside ? [] : spec.asBars ? ['sum'] : ['lastNotNull', 'max']),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending),
    );
  if (spec.stacked) builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group('A'));
  if (many) {
    // Lines of one panel are shades of one colour: told apart by lightness, whatever the eye.
    builder.displayName(`$\{__field.labels.${spec.legend}}`);
    builder.colorScheme(
      new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Shades).fixedColor(COLOR.blue),
    );
  }
  if (spec.thresholds) {
    builder.thresholdsStyle(
      new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed),
    );
  }
  return builder;
}

function lastOfAll(rows: boolean): common.ReduceDataOptionsBuilder {
  return new common.ReduceDataOptionsBuilder().values(rows).calcs(['lastNotNull']).fields('');
}

/** Steps as Grafana wants them; the first has no value. */
export function thresholdsBuilder(thresholds: Thresholds | undefined): cog.Builder<dashboard.ThresholdsConfig> {
  const { warn, bad, falling } = thresholds ?? {};
  const plain = warn === undefined && bad === undefined;
  const steps: dashboard.Threshold[] = [
    { value: null, color: plain ? COLOR.blue : falling ? STATUS.bad : STATUS.good },
  ];
  if (falling) {
    if (bad !== undefined) steps.push({ value: bad, color: warn === undefined ? STATUS.good : STATUS.warn });
    if (warn !== undefined) steps.push({ value: warn, color: STATUS.good });
  } else {
    if (warn !== undefined) steps.push({ value: warn, color: STATUS.warn });
    if (bad !== undefined) steps.push({ value: bad, color: STATUS.bad });
  }
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps(steps);
}

/** Path of a dashboard that keeps the time range and all variables but those set from the row or line. */
export function linkUrl(link: PanelLink, kind: PanelSpec['kind'], variables: readonly VariableName[]): string {
  const values = Object.entries(link.values ?? {});
  const kept = variables.filter((name) => !values.some(([variable]) => variable === name));
  const set = values.map(([variable, field]) => {
    const value =
      kind === 'timeseries'
        ? `$\{__field.labels.${field}:percentencode}`
        : `$\{__data.fields["${field}"]:percentencode}`;
    return `var-${variable}=${value}`;
  });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
  const parts = ['${__url_time_range}', ...kept.map((name) => `$\{${name}:queryparam}`), ...set];
  return `/d/${dashboardUid(link.dashboard)}?${parts.join('&')}`;
}

function linkBuilder(
  link: PanelLink,
  kind: PanelSpec['kind'],
  variables: readonly VariableName[],
): dashboard.DashboardLinkBuilder {
  return new dashboard.DashboardLinkBuilder(link.title).url(linkUrl(link, kind, variables));
}

/** Grafana's override for one column or line. */
function override(
  name: string,
  look: FieldLook,
  kind: PanelSpec['kind'],
  variables: readonly VariableName[],
): {
  matcher: dashboard.MatcherConfig;
  properties: dashboard.DynamicConfigValue[];
} {
  const properties: dashboard.DynamicConfigValue[] = [];
  const set = (id: string, value: unknown): number => properties.push({ id, value });
  if (look.name !== undefined) set('displayName', look.name);
  if (look.unit !== undefined) set('unit', look.unit);
  if (look.decimals !== undefined) set('decimals', look.decimals);
  if (look.color !== undefined) set('color', { mode: 'fixed', fixedColor: COLOR[look.color] });
  if (look.thresholds) set('thresholds', thresholdsBuilder(look.thresholds).build());
  if (look.cell === 'gauge') set('custom.cellOptions', { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' });
  if (look.cell === 'color') set('custom.cellOptions', { type: 'color-text' });
  if (look.width !== undefined) set('custom.width', look.width);
  if (look.dashed) set('custom.lineStyle', { fill: 'dash', dash: [8, 6] });
  if (look.dashed) set('custom.fillOpacity', 0);
  if (look.hidden) set('custom.hidden', true);
  if (look.rightAxis) set('custom.axisPlacement', 'right');
  if (look.link) set('links', [linkBuilder(look.link, kind, variables).build()]);
  return { matcher: { id: 'byName', options: name }, properties };
}
