/**
 * Grafana: pointed at the provisioning files that come with the software (data source, dashboards, alert rules), which
 * take addresses and the password from its environment.
 */
import { secretReference } from '@weir/contracts/topology/schema';
import { databaseOf } from './clickhouse.ts';
import { innerOpening } from './firewall.ts';
import { clickhouseFor, type NamedMachine, type Plan } from './plan.ts';
import { type Contribution, header } from './rendered.ts';

const ENVIRONMENT_PATH = '/etc/weir/grafana.env';
const REACTION = { verb: 'restart', unit: 'grafana-server.service' } as const;
/** Grafana wants a URL in its contact point; this one refuses at once. */
const NO_WEBHOOK = 'http://127.0.0.1:9/';

export function grafana(plan: Plan, machine: NamedMachine): Contribution {
  const { ports, software, alerts } = plan.topology;
  const environment = {
    GF_PATHS_PROVISIONING: `${software.path}/dashboards/generated/provisioning`,
    GF_SERVER_HTTP_PORT: ports.grafana,
    WEIR_DASHBOARDS_DIR: `${software.path}/dashboards/generated/dashboards`,
    WEIR_CLICKHOUSE_HOST: clickhouseFor(plan, machine) ?? '127.0.0.1',
    WEIR_CLICKHOUSE_PORT: ports.clickhouse,
    WEIR_CLICKHOUSE_SECURE: false,
    WEIR_CLICKHOUSE_DATABASE: databaseOf(plan),
    WEIR_CLICKHOUSE_READ_USER: 'weir_read',
    WEIR_CLICKHOUSE_READ_PASSWORD: secretReference('CLICKHOUSE_PASSWORD_READ'),
    WEIR_ALERT_WEBHOOK_URL: alerts.webhook === '' ? NO_WEBHOOK : alerts.webhook,
  };
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}\n`);
  return {
    packages: ['grafana'],
    files: [
      {
        path: ENVIRONMENT_PATH,
        mode: '0640',
        content: header(machine.name, 'Environment of Grafana') + lines.join(''),
        reaction: REACTION,
      },
      {
        path: '/etc/systemd/system/grafana-server.service.d/weir.conf',
        content: `${header(machine.name, 'Grafana')}[Service]\nEnvironmentFile=${ENVIRONMENT_PATH}\nRestart=always\n`,
        reaction: REACTION,
      },
    ],
    units: ['grafana-server.service'],
    secrets: [{ name: 'CLICKHOUSE_PASSWORD_READ', purpose: 'the user that only reads from ClickHouse' }],
    openings: [innerOpening(plan, [ports.grafana], 'Grafana')],
    software: true,
  };
}
