/**
 * The query type of Grafana's ClickHouse plugin as a builder, because the foundation SDK has none, and the data source all
 * panels share.
 */
import type * as cog from '@grafana/grafana-foundation-sdk/cog';
import type { DataSourceRef } from '@grafana/grafana-foundation-sdk/common';

/** Plugin version the queries were written against; Grafana >= 11.6 loads it. */
export const PLUGIN_VERSION = '4.20.0';

export const PLUGIN_TYPE = 'grafana-clickhouse-datasource';

/** Uid of the provisioned data source. */
export const DATASOURCE_UID = 'weir-clickhouse';

export const DATASOURCE: DataSourceRef = { type: PLUGIN_TYPE, uid: DATASOURCE_UID };

/** The plugin's numbers for what becomes of a result. */
const FORMAT = { timeseries: 0, table: 1 } as const;

/** What the plugin stores in a dashboard or alert rule. */
export interface ClickHouseModel {
  readonly refId: string;
  readonly datasource: DataSourceRef;
  readonly pluginVersion: string;
  readonly editorType: 'sql';
  readonly rawSql: string;
  readonly format: 0 | 1;
  readonly queryType: 'timeseries' | 'table';
  readonly meta: Record<string, never>;
}

/** The stored form of one SQL query. */
export function clickHouseModel(refId: string, queryType: keyof typeof FORMAT, rawSql: string): ClickHouseModel {
  return {
    refId,
    datasource: DATASOURCE,
    pluginVersion: PLUGIN_VERSION,
    editorType: 'sql',
    rawSql,
    format: FORMAT[queryType],
    queryType,
    meta: {},
  };
}

/** One SQL query as the SDK's panels and rules take it. */
export class ClickHouseQuery implements cog.Builder<cog.Dataquery> {
  readonly #model: ClickHouseModel;

  constructor(refId: string, queryType: keyof typeof FORMAT, rawSql: string) {
    this.#model = clickHouseModel(refId, queryType, rawSql);
  }

  build(): cog.Dataquery {
    return { ...this.#model, _implementsDataqueryVariant: () => {} };
  }
}
