/**
 * What a panel is before it becomes Grafana's JSON: plain data that panel files write, that build/panels.ts turns into
 * JSON, and that tests and previews read.
 */
import type { ColorName } from './colors.ts';
import type { VariableName } from './filters.ts';

/** One query of a panel. */
export interface PanelQuery {
  readonly refId: string;
  readonly sql: string;
}

/** Where a value turns from good to watch to act; without `warn` it goes straight to act. */
export interface Thresholds {
  readonly warn?: number;
  readonly bad?: number;
  /** True when small values are the bad ones. */
  readonly falling?: boolean;
}

/** How one column or line looks and behaves. */
export interface FieldLook {
  readonly unit?: string;
  readonly decimals?: number;
  readonly color?: ColorName;
  readonly thresholds?: Thresholds;
  /** Cell drawn as a bar or coloured by its thresholds. */
  readonly cell?: 'gauge' | 'color';
  /** Dashboard to go to, with the cell's own value in a variable: `{ dashboard: 'node', variable: 'node' }`. */
  readonly link?: PanelLink;
  readonly width?: number;
  readonly dashed?: boolean;
  readonly hidden?: boolean;
  /** Line with a scale of its own on the right. */
  readonly rightAxis?: boolean;
  readonly name?: string;
}

/** A link that keeps time and variables; `values` are set from columns or labels of the row or line. */
export interface PanelLink {
  readonly title: string;
  readonly dashboard: DashboardName;
  /** Variable → column (tables) or label (lines). */
  readonly values?: Readonly<Record<string, string>>;
}

export type DashboardName =
  | 'cluster'
  | 'node'
  | 'streams'
  | 'connections'
  | 'failover'
  | 'viewers'
  | 'balancing'
  | 'pipeline';

/** One panel. */
export interface PanelSpec {
  /** Unique in its dashboard and never reused: alert rules point at it. */
  readonly id: number;
  /** `alertlist` has no queries: Grafana lists what its rules of ours say. */
  readonly kind: 'timeseries' | 'stat' | 'table' | 'bars' | 'alertlist';
  readonly title: string;
  /** What it shows and what to do about it; shown behind the (i). */
  readonly description: string;
  readonly queries: readonly PanelQuery[];
  readonly unit?: string;
  readonly decimals?: number;
  readonly min?: number;
  readonly max?: number;
  /** Grid units of 24 and of 30 pixels. */
  readonly width: number;
  readonly height: number;
  readonly thresholds?: Thresholds;
  readonly stacked?: boolean;
  /** Points of a line at most. */
  readonly points?: number;
  /** Label that names a line. */
  readonly legend?: string;
  /** Bars instead of lines, for counts per bucket. */
  readonly asBars?: boolean;
  /** Stat: the query is a time series; its last value is shown over a small curve. */
  readonly spark?: boolean;
  /** Reading per column or line name. */
  readonly fields?: Readonly<Record<string, FieldLook>>;
  readonly links?: readonly PanelLink[];
  readonly noValue?: string;
  /** Table: column and direction to sort by at first. */
  readonly sort?: { readonly column: string; readonly descending: boolean };
  /** True where an empty result is good news (alerts, dead letters): tests allow it on a healthy system. */
  readonly mayBeEmpty?: boolean;
}

/** Panels under one heading. */
export interface PanelGroup {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

/** Marks on the time axis. */
export interface AnnotationSpec {
  readonly name: string;
  readonly color: ColorName;
  /** Columns time, text, tags (and timeEnd for spans). */
  readonly sql: string;
}

/** One dashboard. */
export interface DashboardSpec {
  readonly name: DashboardName;
  readonly title: string;
  /** The question it answers at three in the morning. */
  readonly description: string;
  readonly variables: readonly VariableName[];
  /** With a box for an address or subnet. */
  readonly addressBox?: boolean;
  readonly from: string;
  readonly refresh: string;
  readonly groups: readonly PanelGroup[];
  readonly annotations: readonly AnnotationSpec[];
}

/** Uid of a dashboard. */
export function dashboardUid(name: DashboardName): string {
  return `weir-${name}`;
}
