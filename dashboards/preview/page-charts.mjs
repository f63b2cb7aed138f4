// Runs in the browser: lines, bars over time and single figures with echarts. Before it: page.mjs, which has the panels.
import { element, format, STATUS, statusColor } from './page-figures.mjs';

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

/** Distance of about four lines of an axis where powers of ten are no round figures: bytes, and seconds beyond a minute. */
function stepOf(unit, most) {
  if (unit === 'bytes' && most > 0) return { interval: 2 ** Math.max(0, Math.ceil(Math.log2(most / 5))) };
  if (unit !== 's' || most <= 60) return {};
  const steps = [30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];
  return { interval: steps.find((step) => step >= most / 5) ?? 604_800 };
}

export function drawTimeseries(body, panel, marks) {
  const lines = linesOf(panel);
  if (lines.length === 0) {
    body.append(element('div', 'none', panel.noValue ?? 'No data in this range'));
    return;
  }
  const many = panel.legend !== undefined;
  const last = (points) => points.at(-1)?.[1] ?? 0;
  const peak = (points) => Math.max(...points.map(([, v]) => v ?? 0));
  lines.sort((a, b) => peak(b.points) - peak(a.points));
  if (many && panel.w >= 12) {
    const legend = element('div', 'legend');
    legend.append(element('div', 'legend-row head', ''));
    // what happened is counted, what is measured has a last figure and a largest
    const sum = (points) => points.reduce((all, [, v]) => all + (v ?? 0), 0);
    const calcs = panel.asBars ? { Total: sum } : { Last: last, Max: peak };
    const heads = Object.keys(calcs).map((name) => `<span>${name}</span>`);
    legend.firstChild.innerHTML = `<span></span><span class="name"></span>${heads.join('')}`;
    for (const [i, line] of lines.slice(0, 14).entries()) {
      const row = element('div', 'legend-row');
      const dot = element('span', 'dot');
      dot.style.background = SHADES[i % SHADES.length];
      row.append(
        dot,
        element('span', 'name', line.name),
        ...Object.values(calcs).map((of) => element('span', '', format(of(line.points), panel.unit, panel.decimals))),
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
    ...stepOf(unit, Math.max(0, ...lines.map(({ points }) => peak(points)))),
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

export function drawStat(body, panel) {
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
