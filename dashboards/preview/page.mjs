// Runs in the browser: draws one dashboard from its queries' results. Before it: preview/draw.ts, which hands over the panels
// with their data; after it: a screenshot. Not Grafana: it only imitates its layout.
import { drawStat, drawTimeseries } from './page-charts.mjs';
import { element } from './page-figures.mjs';
import { drawAlarms, drawBars, drawTable } from './page-tables.mjs';

const DRAW = { alertlist: drawAlarms, timeseries: drawTimeseries, stat: drawStat, bars: drawBars, table: drawTable };

globalThis.renderDashboard = (dashboard) => {
  document.title = dashboard.title;
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
    DRAW[item.kind](body, item, dashboard.marks);
  }
  grid.style.height = `${Math.max(...dashboard.items.map((item) => item.y + item.h)) * 34}px`;
};
