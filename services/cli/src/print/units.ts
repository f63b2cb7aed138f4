/** Figures as people read them in tables. The unit stays in the cell, because one column mixes magnitudes. */

/** `0.123` → `12.3 %`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** `1536` → `1.5 KiB`. */
export function bytes(value: number): string {
  return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

/** `1500000` → `1.5 Mbit/s`. */
export function bitRate(value: number): string {
  return scaled(value, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);
}

/** `65` → `1 min 5 s`; whole seconds. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3_600)} h`;
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = value;
  let index = 0;
  // What would be rounded up to a whole step belongs to the next unit.
  while (Math.abs(rest) >= step - 0.05 && index < units.length - 1) {
    rest /= step;
    index++;
  }
  return `${index === 0 ? Math.round(rest) : rest.toFixed(1)} ${units[index]}`;
}
