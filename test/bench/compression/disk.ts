/** What samples and rollups take on disk, by column, once their parts are merged. Before it: filled tables; after it: tables of figures. */
import type { TestPipeline } from '@weir/test/harness/pipeline';

/** One table on disk. */
export interface TableBytes {
  table: string;
  rows: number;
  /** All files of a part, marks and indexes included. */
  bytesPerRow: number;
  /** Compressed bytes per row, largest first. */
  columns: Record<string, number>;
}

/** Merges `table` and measures it; also small parts keep a file per column then, or no column could be told. */
export async function tableBytes(pipeline: TestPipeline, table: string): Promise<TableBytes> {
  await pipeline.clickhouse.command({ query: `ALTER TABLE ${table} MODIFY SETTING min_bytes_for_wide_part = 0` });
  await pipeline.clickhouse.command({
    query: `OPTIMIZE TABLE ${table} FINAL SETTINGS optimize_skip_merged_partitions = 0`,
  });
  const where = `database = currentDatabase() AND table = '${table}' AND active`;
  const whole = await pipeline.row(
    `SELECT sum(rows) AS rows, sum(bytes_on_disk) / rows AS bytes FROM system.parts WHERE ${where}`,
  );
  const columns = await pipeline.rows(
    `SELECT column AS name, sum(column_data_compressed_bytes) / sum(rows) AS bytes
     FROM system.parts_columns WHERE ${where} GROUP BY name ORDER BY bytes DESC`,
  );
  return {
    table,
    rows: Number(whole.rows),
    bytesPerRow: rounded(whole.bytes),
    columns: Object.fromEntries(columns.map(({ name, bytes }) => [String(name), rounded(bytes)])),
  };
}

/** What a codec of the value comes to, for all rows of the table. */
export interface CodecCost {
  /** Of the column, a sample. */
  bytes: number;
  insertMs: number;
  mergeMs: number;
}

/** The same samples with other codecs of the value. */
export async function codecCosts(
  pipeline: TestPipeline,
  samples: string,
  codecs: readonly string[],
  blockBytes: number,
): Promise<Record<string, CodecCost>> {
  const found: Record<string, CodecCost> = {};
  for (const codec of codecs) {
    await pipeline.clickhouse.command({
      query: `CREATE TABLE codec_try (metric LowCardinality(String), machine_id LowCardinality(String), node LowCardinality(String), series_id UInt64, time DateTime64(3, 'UTC'), value Float64 CODEC(${codec}))
        ENGINE = MergeTree ORDER BY (metric, machine_id, node, series_id, time)
        SETTINGS min_compress_block_size = ${blockBytes}, max_compress_block_size = ${Math.max(blockBytes, 1_048_576)}`,
      clickhouse_settings: { allow_experimental_codecs: 1 },
    });
    const startedAtMs = performance.now();
    await pipeline.clickhouse.command({
      query: `INSERT INTO codec_try SELECT metric, machine_id, node, series_id, time, value FROM ${samples}`,
    });
    const insertedAtMs = performance.now();
    const { columns } = await tableBytes(pipeline, 'codec_try');
    found[codec] = {
      bytes: columns.value ?? Number.NaN,
      insertMs: Math.round(insertedAtMs - startedAtMs),
      mergeMs: Math.round(performance.now() - insertedAtMs),
    };
    await pipeline.clickhouse.command({ query: 'DROP TABLE codec_try SYNC' });
  }
  return found;
}

export function rounded(value: unknown): number {
  return Math.round(Number(value) * 1_000) / 1_000;
}
