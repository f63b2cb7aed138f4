// Runs in the browser: draws one dashboard from its queries' results with echarts. Before it: preview/draw.ts, which hands
// over the panels with their data; after it: a screenshot. Not Grafana: it only imitates its layout.
const SHADES = [
  '#56B4E9',
  '#0072B2',
  '#9AD0F2',
  '#3E8FC4',
  '#C6E4F7',
  '#1F5F8B',
  '#7FBCE6',
  '#2B4F6B',
  '#E1F1FB',
  '#4A7FA5',
  '#A9C4D8',
  '#16405E',
];
const NAMED = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#F0E442', '#8E8E8E'];
const STATUS = { good: '#009E73', warn: '#E69F00', bad: '#D55E00', plain: '#56B4E9' };
const UNITS = {
  percentunit: (v, d) => `${(v * 100).toFixed(d ?? 1)} %`,
  bytes: (v) => scaled(v, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']),
  bps: (v) => scaled(v, 1000, ['b/s', 'kb/s', 'Mb/s', 'Gb/s', 'Tb/s']),
  s: (v) =>
    Math.abs(v) >= 86_400
      ? `${(v / 86_400).toFixed(1)} d`
      : Math.abs(v) >= 3_600
        ? `${(v / 3_600).toFixed(1)} h`
        : Math.abs(v) >= 60
          ? `${(v / 60).toFixed(1)} min`
          : Math.abs(v) >= 1
            ? `${v.toFixed(1)} s`
            : v === 0
              ? '0 s'
              : `${(v * 1000).toFixed(1)} ms`,
  cps: (v) => `${short(v)}/s`,
  pps: (v) => `${short(v)} p/s`,
  fps: (v) => `${v.toFixed(1)} fps`,
};

function scaled(v, base, names) {
  let i = 0;
  let x = v;
  while (Math.abs(x) >= base && i < names.length - 1) {
    x /= base;
    i++;
  }
  return `${x >= 100 || i === 0 ? x.toFixed(0) : x.toFixed(1)} ${names[i]}`;
}

function short(v, decimals) {
  if (Math.abs(v) >= 1e9) return `${(v / 1e9).toFixed(1)} G`;
  if (Math.abs(v) >= 1e6) return `${(v / 1e6).toFixed(1)} M`;
  if (Math.abs(v) >= 1e4) return `${(v / 1e3).toFixed(1)} k`;
  return Number.isInteger(v) ? String(v) : v.toFixed(decimals ?? (Math.abs(v) < 10 ? 2 : 0));
}

function format(value, unit, decimals) {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'boolean' || Number.isNaN(Number(value))) return String(value);
  return UNITS[unit]?.(Number(value), decimals) ?? short(Number(value), decimals);
}

function statusColor(value, thresholds) {
  if (!thresholds || value === null) return STATUS.plain;
  const { warn, bad, falling } = thresholds;
  const over = (limit) => limit !== undefined && (falling ? value < limit : value >= limit);
  if (over(bad)) return STATUS.bad;
  return over(warn) ? STATUS.warn : STATUS.good;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Lines by label or by value column: `{ name, points: [[ms, value]] }`. */
function linesOf(panel) {
  const lines = new Map();
  for (const { columns, rows } of panel.results) {
    const numbers = columns.filter((c) => c.kind === 'number').map((c) => c.name);
    const labels = columns.filter((c) => c.kind === 'text').map((c) => c.name);
    for (const row of rows) {
      for (const name of numbers) {
        const line = labels.length > 0 ? labels.map((label) => row[label]).join(' ') : name;
        if (!lines.has(line)) lines.set(line, []);
        lines.get(line).push([Date.parse(`${row.time}Z`), row[name] === null ? null : Number(row[name])]);
      }
    }
  }
  return [...lines].map(([name, points]) => ({ name, points }));
}

/** Distance of about four lines of an axis in bytes, a power of two. */
function binaryStep(most) {
  return 2 ** Math.max(0, Math.ceil(Math.log2(most / 5)));
}

function drawTimeseries(body, panel) {
  const lines = linesOf(panel);
  const many = panel.legend !== undefined;
  const last = (points) => points.at(-1)?.[1] ?? 0;
  const peak = (points) => Math.max(...points.map(([, v]) => v ?? 0));
  lines.sort((a, b) => peak(b.points) - peak(a.points));
  if (many && panel.w >= 12) {
    const legend = element('div', 'legend');
    legend.append(element('div', 'legend-row head', ''));
    legend.firstChild.innerHTML = '<span></span><span class="name"></span><span>Last</span><span>Max</span>';
    for (const [i, line] of lines.slice(0, 14).entries()) {
      const row = element('div', 'legend-row');
      const dot = element('span', 'dot');
      dot.style.background = SHADES[i % SHADES.length];
      row.append(
        dot,
        element('span', 'name', line.name),
        element('span', '', format(last(line.points), panel.unit, panel.decimals)),
        element('span', '', format(peak(line.points), panel.unit, panel.decimals)),
      );
      legend.append(row);
    }
    body.append(legend);
  } else {
    const legend = element('div', 'legend-bottom');
    for (const [i, line] of lines.slice(0, 6).entries()) {
      const dot = element('span', 'dot');
      dot.style.background =
        panel.fields?.[line.name]?.hex ?? (many ? SHADES[i % SHADES.length] : NAMED[i % NAMED.length]);
      legend.append(dot, element('span', 'name', panel.fields?.[line.name]?.name ?? line.name));
    }
    body.append(legend);
  }
  const canvas = element('div', 'chart');
  body.prepend(canvas);
  const limit = panel.thresholds?.bad;
  const right = lines.map((line) => panel.fields?.[line.name]).find((look) => look?.rightAxis);
  const unit =
    panel.unit ?? lines.map((line) => panel.fields?.[line.name]).find((look) => look?.unit && !look.rightAxis)?.unit;
  const scale = (of) => ({
    axisLabel: { color: '#9fa7b3', fontSize: 10, formatter: (v) => format(v, of, panel.decimals) },
  });
  const left = {
    type: 'value',
    min: panel.min ?? ((v) => Math.min(0, v.min)),
    max: panel.max,
    splitNumber: 4,
    ...(panel.decimals === 0 ? { minInterval: 1 } : {}),
    ...(unit === 'bytes' ? { interval: binaryStep(Math.max(1, ...lines.map(({ points }) => peak(points)))) } : {}),
    ...scale(unit),
    splitLine: { lineStyle: { color: '#262b33' } },
  };
  const chart = globalThis.echarts.init(canvas, undefined, { renderer: 'canvas' });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'DejaVu Sans, sans-serif' },
    grid: { left: 66, right: right ? 60 : 14, top: 10, bottom: 24 },
    xAxis: {
      type: 'time',
      axisLabel: { color: '#9fa7b3', fontSize: 10, hideOverlap: true },
      axisLine: { lineStyle: { color: '#3a3f47' } },
      splitLine: { show: true, lineStyle: { color: '#22262d' } },
    },
    yAxis: [left, ...(right ? [{ ...left, ...scale(right.unit), splitLine: { show: false } }] : [])],
    series: lines.map((line, i) => {
      const look = panel.fields?.[line.name];
      const color = look?.hex ?? (many ? SHADES : NAMED)[i % (many ? SHADES : NAMED).length];
      return {
        name: line.name,
        type: panel.asBars ? 'bar' : 'line',
        data: line.points,
        yAxisIndex: look?.rightAxis ? 1 : 0,
        showSymbol: false,
        stack: panel.stacked ? 'all' : undefined,
        barMaxWidth: 8,
        lineStyle: { width: many && !panel.stacked ? 1.2 : 1.8, type: look?.dashed ? 'dashed' : 'solid', color },
        itemStyle: { color },
        areaStyle:
          look?.dashed || panel.asBars || (many && !panel.stacked)
            ? undefined
            : { color, opacity: panel.stacked ? 0.35 : 0.1 },
        markLine:
          i === 0
            ? {
                silent: true,
                symbol: 'none',
                label: { show: false },
                data: [
                  ...(limit === undefined
                    ? []
                    : [{ yAxis: limit, lineStyle: { color: STATUS.bad, type: 'dashed', width: 1 } }]),
                  ...marks.map(({ time, hex }) => ({
                    xAxis: Date.parse(`${time}Z`),
                    lineStyle: { color: hex, type: 'dotted', width: 1, opacity: 0.8 },
                  })),
                ],
              }
            : undefined,
      };
    }),
  });
}

function drawStat(body, panel) {
  body.classList.add('stats');
  for (const { columns, rows } of panel.results) {
    for (const { name } of columns.filter((c) => c.name !== 'time')) {
      const look = panel.fields?.[name];
      const value = rows.at(-1)?.[name] ?? null;
      const box = element('div', 'stat');
      const figure = element(
        'div',
        'figure',
        rows.length === 0
          ? (panel.noValue ?? 'None')
          : format(value, look?.unit ?? panel.unit, look?.decimals ?? panel.decimals),
      );
      figure.style.color = look?.hex ?? statusColor(Number(value), look?.thresholds ?? panel.thresholds);
      if (figure.textContent.length > 14) figure.classList.add('long');
      box.append(element('div', 'stat-name', look?.name ?? name), figure);
      body.append(box);
      if (!panel.spark || rows.length < 2) continue;
      const canvas = element('div', 'spark');
      box.append(canvas);
      const chart = globalThis.echarts.init(canvas);
      chart.setOption({
        animation: false,
        grid: { left: 0, right: 0, top: 2, bottom: 0 },
        xAxis: { type: 'time', show: false },
        yAxis: { type: 'value', show: false, scale: true },
        series: [
          {
            type: 'line',
            showSymbol: false,
            data: rows.map((row) => [Date.parse(`${row.time}Z`), Number(row[name])]),
            lineStyle: { width: 1.5, color: figure.style.color },
            areaStyle: { color: figure.style.color, opacity: 0.15 },
          },
        ],
      });
    }
  }
}

function drawBars(body, panel) {
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

function drawTable(body, panel) {
  const [{ columns, rows }] = panel.results;
  if (rows.length === 0) {
    body.append(element('div', 'none', panel.noValue ?? 'None'));
    return;
  }
  const shown = columns.filter(({ name }) => !panel.fields?.[name]?.hidden);
  const table = element('table', '');
  const head = element('tr', '');
  for (const { name } of shown) head.append(element('th', '', panel.fields?.[name]?.name ?? name));
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
  if (isNumber) made.classList.add('number');
  if (isNumber && look.cell === 'color') made.style.color = statusColor(Number(value), look.thresholds);
  if (isNumber && look.cell === 'gauge') {
    const most = look.unit === 'percentunit' ? 1 : Math.max(...rows.map((row) => Number(row[name])));
    const share = Math.max(0, Math.min(100, (100 * Number(value)) / most));
    const color = statusColor(Number(value), look.thresholds);
    made.style.background = `linear-gradient(90deg, ${color}55 ${share}%, transparent ${share}%)`;
  }
  return made;
}

function drawAlarms(body, panel) {
  if (panel.alarms.length === 0) body.append(element('div', 'none', panel.noValue));
  for (const { title, severity, labels } of panel.alarms) {
    const box = element('div', `alarm ${severity}`);
    box.append(element('b', '', title), element('span', '', labels));
    body.append(box);
  }
}

/** Annotations of the dashboard that is being drawn. */
let marks = [];

const DRAW = { alertlist: drawAlarms, timeseries: drawTimeseries, stat: drawStat, bars: drawBars, table: drawTable };

globalThis.renderDashboard = (dashboard) => {
  document.title = dashboard.title;
  marks = dashboard.marks;
  const page = document.getElementById('page');
  page.replaceChildren();
  const head = element('header', '');
  head.append(element('h1', '', dashboard.title), element('p', '', dashboard.description));
  head.append(
    element(
      'div',
      'note',
      'Preview drawn with echarts from real query results on a generated week, without Grafana. Grafana draws the same panels its own way.',
    ),
  );
  page.append(head);
  const grid = element('div', 'grid');
  page.append(grid);
  for (const item of dashboard.items) {
    const box = element('section', item.kind === 'row' ? 'row' : 'panel');
    Object.assign(box.style, {
      left: `${(item.x / 24) * 100}%`,
      top: `${item.y * 34}px`,
      width: `calc(${(item.w / 24) * 100}% - 8px)`,
      height: `${item.h * 34 - 8}px`,
    });
    grid.append(box);
    box.append(element('h2', '', item.title));
    if (item.kind === 'row') continue;
    const body = element('div', 'body');
    box.append(body);
    DRAW[item.kind](body, item);
  }
  grid.style.height = `${Math.max(...dashboard.items.map((item) => item.y + item.h)) * 34}px`;
};
