/** Plain aligned tables for people: words left, numbers right. Before it: rows from SQL or KV; after it: a terminal. */

/** One column of a table. */
export interface Column<Row> {
  title: string;
  value(row: Row): string;
  /** Default: left. */
  align?: 'left' | 'right';
}

/** The lines of a table: titles, then one line per row, columns two spaces apart. */
export function tableLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => column.value(row))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => displayWidth(line[index] ?? ''))));
  return cells.map((line) =>
    line
      .map((cell, index) => {
        const gap = ' '.repeat((widths[index] ?? 0) - displayWidth(cell));
        return columns[index]?.align === 'right' ? gap + cell : cell + gap;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Width in terminal cells as far as it matters here: one per character, combined ones counted once. */
function displayWidth(text: string): number {
  return [...new Intl.Segmenter().segment(text)].length;
}
