/** Grafana: the data source by file; dashboards and alert rules come with the software and are only pointed at. */
import { secretReference } from '@weir/contracts/topology/schema';
import { stringify } from 'yaml';
import { innerOpening } from './firewall.ts';
import { type NamedMachine, type Plan, withRole } from './plan.ts';
import { type Contribution, header, type RenderedFile } from './rendered.ts';

const GROUP = 'grafana';
const REACTION = { verb: 'restart', unit: 'grafana-server.service' } as const;

/** Uid of the data source that dashboards and alert rules name. */
const DATA_SOURCE_UID = 'weir-clickhouse';

export function grafana(plan: Plan, machine: NamedMachine): Contribution {
  const { ports, software } = plan.topology;
  const stores = withRole(plan, 'clickhouse');
  const store = stores.find((candidate) => candidate.site === machine.site) ?? stores[0];
  const dataSource = {
    apiVersion: 1,
    datasources: [
      {
        name: 'Weir',
        uid: DATA_SOURCE_UID,
        type: 'grafana-clickhouse-datasource',
        access: 'proxy',
        isDefault: true,
        jsonData: {
          host: store?.address ?? '127.0.0.1',
          port: ports.clickhouse,
          protocol: 'http',
          username: 'weir_read',
          defaultDatabase: 'weir',
        },
        secureJsonData: { password: secretReference('CLICKHOUSE_PASSWORD_READ') },
      },
    ],
  };
  const provider = {
    apiVersion: 1,
    providers: [
      {
        name: 'weir',
        folder: 'Weir',
        type: 'file',
        options: { path: `${software.path}/dashboards/generated/dashboards` },
      },
    ],
  };
  return {
    packages: ['grafana'],
    files: [
      file(machine, '/etc/grafana/provisioning/datasources/weir.yaml', 'Grafana data source', dataSource),
      file(machine, '/etc/grafana/provisioning/dashboards/weir.yaml', 'Grafana dashboards', provider),
    ],
    units: ['grafana-server.service'],
    secrets: [{ name: 'CLICKHOUSE_PASSWORD_READ', purpose: 'the user that only reads from ClickHouse' }],
    openings: [innerOpening(plan, [ports.grafana], 'Grafana')],
    software: true,
  };
}

function file(machine: NamedMachine, path: string, what: string, content: object): RenderedFile {
  return {
    path,
    mode: '0640',
    group: GROUP,
    content: header(machine.name, what) + stringify(content, { lineWidth: 0 }),
    reaction: REACTION,
  };
}
