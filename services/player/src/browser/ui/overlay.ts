/** The debug overlay (key D): figures of this moment, and the delay of the last minute as a line. */
import type { PlayerStats } from '../../../weir-player.d.ts';

const POINTS = 120;
const ROWS = [
  'Delay',
  'Buffer',
  'Bitrate',
  'Picture',
  'Frames',
  'Dropped',
  'Rate',
  'Stalls',
  'Start',
  'Edge',
  'Connection',
  'Server',
  'Watched',
] as const;
type Row = (typeof ROWS)[number];

/** Element to place, and how to fill it. */
export interface Overlay {
  readonly element: HTMLElement;
  readonly isOpen: boolean;
  toggle(): void;
  /** Two times a second while open. */
  show(stats: PlayerStats): void;
}

export function createOverlay(): Overlay {
  const element = document.createElement('dl');
  element.className = 'figures';
  element.hidden = true;
  element.setAttribute('aria-label', 'Playback figures');
  const cells = new Map<Row, HTMLElement>();
  for (const row of ROWS) {
    const name = document.createElement('dt');
    const value = document.createElement('dd');
    name.textContent = row;
    cells.set(row, value);
    element.append(name, value);
  }
  const canvas = document.createElement('canvas');
  element.append(canvas);
  const delays: number[] = [];
  return {
    element,
    get isOpen() {
      return !element.hidden;
    },
    toggle() {
      element.hidden = !element.hidden;
    },
    show(stats) {
      if (stats.delayMs !== undefined) delays.push(stats.delayMs);
      if (delays.length > POINTS) delays.shift();
      if (element.hidden) return;
      const texts = textsOf(stats);
      for (const [row, cell] of cells) cell.textContent = texts[row];
      draw(canvas, delays);
    },
  };
}

function textsOf(stats: PlayerStats): { [K in Row]: string } {
  const { edge, start } = stats;
  return {
    Delay: stats.delayMs === undefined ? '–' : seconds(stats.delayMs),
    Buffer: `${seconds(stats.bufferMs)} of ${seconds(stats.targetMs)}`,
    Bitrate:
      stats.bitrate >= 1e6
        ? `${(stats.bitrate / 1e6).toFixed(2)} Mbit/s`
        : `${(stats.bitrate / 1e3).toFixed(0)} kbit/s`,
    Picture: stats.width > 0 ? `${stats.width} × ${stats.height}` : '–',
    Frames: String(stats.framesDecoded),
    Dropped: String(stats.framesDropped),
    Rate: `${stats.rate.toFixed(2)} ×`,
    Stalls: `${stats.stalls}, ${seconds(stats.stalledMs)}`,
    Start: start ? `${Math.round(start.totalMs)} ms` : '–',
    Edge: edge?.node ?? '–',
    Connection: `${stats.transport ?? '–'}${edge ? ` ${edge.connection.slice(0, 8)}` : ''}${stats.reconnects > 0 ? `, ${stats.reconnects} again` : ''}`,
    Server: stats.host,
    Watched: seconds(stats.watchedMs),
  };
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(2)} s` : `${(ms / 1_000).toFixed(0)} s`;
}

/** The delay over time; the scale goes to the largest value, at least 1 s. */
function draw(canvas: HTMLCanvasElement, delays: readonly number[]): void {
  const scale = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  const pen = canvas.getContext('2d');
  if (!pen || width === 0) return;
  canvas.width = width;
  canvas.height = height;
  const top = Math.max(1_000, ...delays);
  pen.strokeStyle = '#ff5a4e';
  pen.lineWidth = 1.5 * scale;
  pen.lineJoin = 'round';
  pen.beginPath();
  for (const [index, delay] of delays.entries()) {
    pen.lineTo((index / (POINTS - 1)) * width, height - 2 - (delay / top) * (height - 4));
  }
  pen.stroke();
}
