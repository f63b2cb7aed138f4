/** Colours by Okabe and Ito: told apart by people with any colour blindness, readable on Grafana's light and dark themes. */
export const COLOR = {
  blue: '#0072B2',
  sky: '#56B4E9',
  green: '#009E73',
  yellow: '#F0E442',
  orange: '#E69F00',
  red: '#D55E00',
  pink: '#CC79A7',
  grey: '#8E8E8E',
} as const;

export type ColorName = keyof typeof COLOR;

/** Good, watch, act. */
export const STATUS = { good: COLOR.green, warn: COLOR.orange, bad: COLOR.red } as const;
