/** Data source and dashboard provider as Grafana's provisioning files hold them; addresses come from Grafana's environment. */
import { FOLDER } from '../alerts/provision.ts';
import { DATASOURCE_UID, PLUGIN_TYPE } from '../build/query.ts';

/** Variables of Grafana's environment that the files use. */
export const GRAFANA_ENVIRONMENT = {
  host: 'WEIR_CLICKHOUSE_HOST',
  port: 'WEIR_CLICKHOUSE_PORT',
  secure: 'WEIR_CLICKHOUSE_SECURE',
  database: 'WEIR_CLICKHOUSE_DATABASE',
  user: 'WEIR_CLICKHOUSE_READ_USER',
  password: 'WEIR_CLICKHOUSE_READ_PASSWORD',
  dashboards: 'WEIR_DASHBOARDS_DIR',
  webhook: 'WEIR_ALERT_WEBHOOK_URL',
} as const;

const variable = (name: keyof typeof GRAFANA_ENVIRONMENT): string => `$\{${GRAFANA_ENVIRONMENT[name]}}`;

/** HTTP to the embedded store or a ClickHouse server, as the user that only reads. */
export function provisionDatasource(): unknown {
  return {
    apiVersion: 1,
    prune: true,
    datasources: [
      {
        name: 'Weir',
        uid: DATASOURCE_UID,
        type: PLUGIN_TYPE,
        access: 'proxy',
        orgId: 1,
        editable: false,
        jsonData: {
          host: variable('host'),
          port: variable('port'),
          protocol: 'http',
          secure: variable('secure'),
          username: variable('user'),
          defaultDatabase: variable('database'),
          dialTimeout: '10',
          queryTimeout: '30',
        },
        secureJsonData: { password: variable('password') },
      },
    ],
  };
}

/** Loads every dashboard of a folder and again when a file changes. */
export function provisionDashboards(): unknown {
  return {
    apiVersion: 1,
    providers: [
      {
        name: 'weir',
        orgId: 1,
        folder: FOLDER,
        folderUid: 'weir',
        type: 'file',
        disableDeletion: false,
        allowUiUpdates: false,
        updateIntervalSeconds: 30,
        options: { path: variable('dashboards'), foldersFromFilesStructure: false },
      },
    ],
  };
}
