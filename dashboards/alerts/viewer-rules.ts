/**
 * Rules about what viewers in browsers see: stalls, starts and delay, per edge and per stream over all edges. A share of few
 * viewers says nothing, so each rule has a floor in viewers.
 */
import { VIEW } from '@weir/contracts/tables';
import type { AlertRule, RuleRange } from './rule.ts';

/** Where a figure of viewers turns bad; the panels are coloured by the same figures. */
export const VIEWER_LIMIT = { stallRatio: 0.01, stalledShare: 0.15, startSeconds: 4, delaySeconds: 8 } as const;

/** Viewers that must have stalled, or started, within the window before their share counts. */
const STALLED_FLOOR = 5;
const STARTS_FLOOR = 10;
const SESSIONS_FLOOR = 10;

const windows = (minutes: number, value: string) => (range: RuleRange) =>
  `SELECT time, cluster, scope, subject, ${value} AS value FROM ${VIEW.viewerWindows}(from = ${range.from}, to = ${range.to}, minutes = ${minutes}) WHERE NOT quiet`;

const common = {
  instant: true,
  whenEmpty: 'OK',
  whenFailing: 'Error',
  group: 'urgent',
  area: 'media',
  labels: ['cluster', 'scope', 'subject'],
  forMinutes: 0,
  keepMinutes: 2,
  dashboard: 'viewers',
} as const;

/** The rules. */
export const VIEWER_RULES: readonly AlertRule[] = [
  {
    ...common,
    name: 'viewers-stalling',
    title: 'Viewers stand still',
    severity: 'critical',
    rows: windows(5, `if(stalled_sessions >= ${STALLED_FLOOR}, stall_ratio, 0)`),
    above: VIEWER_LIMIT.stallRatio,
    summary:
      'Viewers of the {{ .Labels.scope }} {{ .Labels.subject }} saw a still picture for {{ humanizePercentage .Values.A.Value }} of the last five minutes',
    panelId: 3,
  },
  {
    ...common,
    name: 'viewers-with-stalls',
    title: 'Many viewers had a stall',
    severity: 'warning',
    rows: windows(5, `if(stalled_sessions >= ${STALLED_FLOOR}, stalled_share, 0)`),
    above: VIEWER_LIMIT.stalledShare,
    summary:
      '{{ humanizePercentage .Values.A.Value }} of the viewers of the {{ .Labels.scope }} {{ .Labels.subject }} had a stall in the last five minutes',
    panelId: 20,
  },
  {
    ...common,
    name: 'viewers-start-slow',
    title: 'The picture comes late',
    severity: 'warning',
    rows: windows(5, `if(starts >= ${STARTS_FLOOR}, start_p95_seconds, 0)`),
    above: VIEWER_LIMIT.startSeconds,
    summary:
      'One new viewer in twenty of the {{ .Labels.scope }} {{ .Labels.subject }} waits {{ humanizeDuration .Values.A.Value }} or longer for the first picture',
    panelId: 2,
  },
  {
    ...common,
    name: 'viewers-behind',
    title: 'Viewers far behind live',
    severity: 'warning',
    rows: windows(1, `if(sessions >= ${SESSIONS_FLOOR}, delay_p50_seconds, 0)`),
    above: VIEWER_LIMIT.delaySeconds,
    summary:
      'Half of the viewers of the {{ .Labels.scope }} {{ .Labels.subject }} are {{ humanizeDuration .Values.A.Value }} or more behind the edge',
    panelId: 4,
  },
];
