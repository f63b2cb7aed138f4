// Figures as text and colour, and elements to put them in: what page-charts.mjs and page-tables.mjs draw with.
export const STATUS = { good: '#009E73', warn: '#E69F00', bad: '#D55E00', plain: '#56B4E9' };
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

export function format(value, unit, decimals) {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'boolean' || Number.isNaN(Number(value))) return String(value);
  return UNITS[unit]?.(Number(value), decimals) ?? short(Number(value), decimals);
}

export function statusColor(value, thresholds) {
  if (!thresholds || value === null) return STATUS.plain;
  const { warn, bad, falling } = thresholds;
  const over = (limit) => limit !== undefined && (falling ? value < limit : value >= limit);
  if (over(bad)) return STATUS.bad;
  return over(warn) ? STATUS.warn : STATUS.good;
}

export function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
