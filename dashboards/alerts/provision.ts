/** The alert rules, contact points and notification policy as Grafana's provisioning files hold them. */
import type * as alerting from '@grafana/grafana-foundation-sdk/alerting';
import { WeirError } from '@weir/contracts/errors';
import { dashboardUid } from '../build/panel-spec.ts';
import { clickHouseModel, DATASOURCE_UID } from '../build/query.ts';
import { type AlertRule, RULE_GROUPS, RULE_WINDOW_SECONDS, type RuleGroupName, ruleSql } from './rule.ts';
import { ALERT_RULES } from './rules.ts';

/** Folder of dashboards and rules in Grafana. */
export const FOLDER = 'Weir';

/** A rule as the provisioning file holds it: Grafana's rule without what the group says, with the file's own names. */
export type ProvisionedRule = Pick<
  alerting.Rule,
  'title' | 'condition' | 'noDataState' | 'execErrState' | 'for' | 'annotations' | 'labels'
> & {
  uid: string;
  data: ProvisionedQuery[];
  keepFiringFor?: string;
  dashboardUid: string;
  panelId: number;
  isPaused: boolean;
};

/** One query or expression of a rule. */
export interface ProvisionedQuery {
  refId: string;
  relativeTimeRange: { from: number; to: number };
  datasourceUid: string;
  model: Record<string, unknown>;
}

/** The file of rules. */
export interface RuleFile {
  apiVersion: 1;
  groups: { orgId: number; name: string; folder: string; interval: string; rules: ProvisionedRule[] }[];
}

/** All rules by group. `runbookUrl`: where dashboards/runbooks can be read, empty = nowhere; then only the file is named. */
export function provisionRules(runbookUrl = '', rules: readonly AlertRule[] = ALERT_RULES): RuleFile {
  return {
    apiVersion: 1,
    groups: (Object.keys(RULE_GROUPS) as RuleGroupName[]).map((group) => ({
      orgId: 1,
      name: RULE_GROUPS[group].title,
      folder: FOLDER,
      interval: `${RULE_GROUPS[group].intervalSeconds}s`,
      rules: rules.filter((rule) => rule.group === group).map((rule) => provisionRule(rule, runbookUrl)),
    })),
  };
}

/**
 * The rules with other thresholds, by name of the rule, in the rule's own unit (a share as 0..1, seconds).
 * @throws WeirError `DASHBOARD_RULE` for a name no rule has, naming those there are.
 */
export function withThresholds(
  thresholds: Readonly<Record<string, number>>,
  rules: readonly AlertRule[] = ALERT_RULES,
): AlertRule[] {
  for (const name of Object.keys(thresholds)) {
    if (rules.some((rule) => rule.name === name)) continue;
    const names = rules.map((rule) => rule.name).join(', ');
    throw new WeirError('DASHBOARD_RULE', `There is no alert rule "${name}": the rules are ${names}.`);
  }
  return rules.map((rule) => ({ ...rule, above: thresholds[rule.name] ?? rule.above }));
}

function provisionRule(rule: AlertRule, runbookUrl: string): ProvisionedRule {
  const range = { from: RULE_WINDOW_SECONDS, to: 0 };
  return {
    uid: `weir-${rule.name}`,
    title: rule.title,
    condition: 'B',
    data: [
      {
        refId: 'A',
        relativeTimeRange: range,
        datasourceUid: DATASOURCE_UID,
        model: { ...clickHouseModel('A', 'table', ruleSql(rule)), intervalMs: 1_000, maxDataPoints: 1_000 },
      },
      {
        refId: 'B',
        relativeTimeRange: range,
        datasourceUid: '__expr__',
        model: {
          refId: 'B',
          type: 'threshold',
          expression: 'A',
          datasource: { type: '__expr__', uid: '__expr__' },
          conditions: [{ evaluator: { type: 'gt', params: [rule.above] } }],
        },
      },
    ],
    noDataState: rule.whenEmpty,
    execErrState: rule.whenFailing,
    for: `${rule.forMinutes}m`,
    ...(rule.keepMinutes === undefined ? {} : { keepFiringFor: `${rule.keepMinutes}m` }),
    annotations: {
      summary: rule.summary,
      runbook: `dashboards/runbooks/${rule.name}.md`,
      ...(runbookUrl === '' ? {} : { runbook_url: `${runbookUrl.replace(/\/$/, '')}/${rule.name}.md` }),
    },
    labels: { severity: rule.severity, area: rule.area, service: 'weir' },
    dashboardUid: dashboardUid(rule.dashboard),
    panelId: rule.panelId,
    isPaused: false,
  };
}

/** A webhook whose URL is the variable WEIR_ALERT_WEBHOOK_URL of Grafana's environment. */
export function provisionContactPoints(): unknown {
  return {
    apiVersion: 1,
    contactPoints: [
      {
        orgId: 1,
        name: 'weir-webhook',
        receivers: [
          {
            uid: 'weir-webhook',
            type: 'webhook',
            disableResolveMessage: false,
            // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills in its environment
            settings: { url: '${WEIR_ALERT_WEBHOOK_URL}', httpMethod: 'POST', maxAlerts: 100 },
          },
        ],
      },
    ],
  };
}

/**
 * Routing: critical at once and again every hour, the rest by area. Rules that could not be evaluated (ClickHouse away) come
 * as one message, not as one per rule. Replaces Grafana's whole policy tree: a file of its own, to be left out where one exists.
 */
export function provisionPolicy(): unknown {
  const byRule = ['alertname', 'cluster'];
  return {
    apiVersion: 1,
    policies: [
      {
        orgId: 1,
        receiver: 'weir-webhook',
        group_by: ['area', 'cluster'],
        group_wait: '30s',
        group_interval: '5m',
        repeat_interval: '12h',
        routes: [
          {
            receiver: 'weir-webhook',
            object_matchers: [['alertname', '=~', 'DatasourceError|DatasourceNoData']],
            group_by: ['alertname'],
            group_wait: '1m',
            repeat_interval: '1h',
          },
          {
            receiver: 'weir-webhook',
            object_matchers: [
              ['service', '=', 'weir'],
              ['severity', '=', 'critical'],
            ],
            group_by: byRule,
            group_wait: '10s',
            group_interval: '1m',
            repeat_interval: '1h',
          },
        ],
      },
    ],
  };
}
