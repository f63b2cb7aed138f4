/**
 * SQL that narrows a query to what a dashboard's variables pick. Values travel percent-encoded and are decoded by
 * ClickHouse: quotes, backslashes, `$__macro` and `${variable}` in a name can neither break nor change a query.
 */

/** The variables every dashboard of ours may have. */
export type VariableName = 'cluster' | 'node' | 'app' | 'stream';

/** What is typed into the box `address` of a dashboard, as SQL: empty when nothing is, whatever the text. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
export const TYPED_ADDRESS = "decodeURLComponent(substring('${address:customqueryparam:v}', 3))";

/** What "All" stands for: an encoded value begins with `v=`, so no name can be mistaken for it. */
export const ALL_VALUE = '*';

/** The values picked in a variable as SQL text: `v=a&v=b` with everything but letters, digits and `-_.~` encoded, or `*`. */
export function pickedText(variable: VariableName): string {
  return `'$\{${variable}:customqueryparam:v}'`;
}

/** True in SQL when `column` is one of the values picked, or when All is. */
export function picked(column: string, variable: VariableName): string {
  const text = pickedText(variable);
  const values = `arrayMap(x -> decodeURLComponent(substring(x, 3)), splitByChar('&', ${text}))`;
  return `(${text} IN ('${ALL_VALUE}', '') OR ${column} IN ${values})`;
}

/** Machines on which a picked node runs: figures of a machine carry no node. */
export function pickedMachine(column = 'machine_id'): string {
  return `${column} IN (SELECT machine_id FROM nodes WHERE ${picked('cluster', 'cluster')} AND ${picked('node', 'node')})`;
}

/** A quoted SQL string for constants of ours. */
export function sqlText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
