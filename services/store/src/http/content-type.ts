/** Content types of the output formats, as ClickHouse's src/Processors/Formats/Impl has them. */

const BY_PREFIX: ReadonlyArray<readonly [pattern: RegExp, type: string]> = [
  [/^(TabSeparated|TSV)/, 'text/tab-separated-values; charset=UTF-8'],
  [/^CSV(WithNames|$)/, 'text/csv; charset=UTF-8; header=absent'],
  [/^JSON\w*EachRow|^JSONLines$|^NDJSON$/, 'application/x-ndjson; charset=UTF-8'],
  [/^JSON/, 'application/json; charset=UTF-8'],
  [/^XML$/, 'application/xml; charset=UTF-8'],
  [/^(Native|RowBinary|Parquet|Arrow|ORC|Avro|Protobuf|MsgPack|BSON|CapnProto|RawBLOB)/, 'application/octet-stream'],
];

/** Content type for a format's name; plain text for what has none of its own. */
export function contentType(format: string | undefined): string {
  const found = BY_PREFIX.find(([pattern]) => format !== undefined && pattern.test(format));
  return found?.[1] ?? 'text/plain; charset=UTF-8';
}
