// Runs in the browser: tables, bars by name and alarms, which need no chart. Before it: page.mjs, which has the panels.
import { element, format, statusColor } from './page-figures.mjs';

export function drawBars(body, panel) {
  const [{ columns, rows }] = panel.results;
  const label = columns.find((c) => c.kind === 'text')?.name;
  const value = columns.find((c) => c.kind === 'number')?.name;
  const most = panel.max ?? Math.max(...rows.map((row) => Number(row[value])));
  const room = Math.max(1, Math.floor((body.clientHeight - 8) / 20));
  for (const row of rows.slice(0, room)) {
    const line = element('div', 'bar-row');
    const bar = element('div', 'bar');
    const fill = element('div', 'fill');
    fill.style.width = `${(100 * Number(row[value])) / most}%`;
    fill.style.background = statusColor(Number(row[value]), panel.thresholds);
    bar.append(fill);
    line.append(
      element('span', 'bar-name', row[label]),
      bar,
      element('span', 'bar-value', format(row[value], panel.unit, panel.decimals)),
    );
    body.append(line);
  }
}

export function drawTable(body, panel) {
  const [{ columns, rows }] = panel.results;
  if (rows.length === 0) {
    body.append(element('div', 'none', panel.noValue ?? 'None'));
    return;
  }
  const shown = columns.filter(({ name }) => !panel.fields?.[name]?.hidden);
  const table = element('table', '');
  const head = element('tr', '');
  for (const { name, kind } of shown)
    head.append(element('th', kind === 'number' ? 'number' : '', panel.fields?.[name]?.name ?? name));
  table.append(head);
  const room = Math.floor((body.clientHeight - 26) / 23);
  for (const row of rows.slice(0, room)) {
    const line = element('tr', '');
    for (const { name, kind } of shown) line.append(cell(row[name], kind, panel.fields?.[name] ?? {}, rows, name));
    table.append(line);
  }
  body.append(table);
}

function cell(value, kind, look, rows, name) {
  const isNumber = kind === 'number' && value !== null;
  const made = element(
    'td',
    look.link ? 'link' : '',
    kind === 'number'
      ? format(value, look.unit, look.decimals)
      : value === null
        ? '–'
        : kind === 'time'
          ? String(value).replace(/\.\d{3}$/, '')
          : String(value),
  );
  if (kind === 'number') made.classList.add('number');
  if (isNumber && look.cell === 'color') made.style.color = statusColor(Number(value), look.thresholds);
  if (isNumber && look.cell === 'gauge') {
    const most = look.unit === 'percentunit' ? 1 : Math.max(...rows.map((row) => Number(row[name])));
    const share = Math.max(0, Math.min(100, (100 * Number(value)) / most));
    const color = statusColor(Number(value), look.thresholds);
    made.style.background = `linear-gradient(90deg, ${color}55 ${share}%, transparent ${share}%)`;
  }
  return made;
}

export function drawAlarms(body, panel) {
  if (panel.alarms.length === 0) body.append(element('div', 'none', panel.noValue));
  for (const { title, severity, labels } of panel.alarms) {
    const box = element('div', `alarm ${severity}`);
    box.append(element('b', '', title), element('span', '', labels));
    body.append(box);
  }
}
