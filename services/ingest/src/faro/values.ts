/** Values out of a page's JSON, each within bounds: text, maps of texts, maps of numbers. */
import { asJson } from './payload.ts';

const MAX_NAME_CHARACTERS = 100;
const MAX_TEXT_CHARACTERS = 2_000;
const MAX_ENTRIES = 64;

/** Text of a string, number or boolean; empty for anything else. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** At most 100 characters: for names and what is stored once per distinct text. */
export function boundedText(text: string): string {
  return text.slice(0, MAX_NAME_CHARACTERS);
}

/** Entries of an object as texts: at most 64, nested values as JSON. */
export function textMap(value: unknown): Record<string, string> {
  const entries = Object.entries(asJson(value)).slice(0, MAX_ENTRIES);
  return Object.fromEntries(
    entries.map(([name, one]) => {
      const text = typeof one === 'object' && one !== null ? JSON.stringify(one) : textOf(one);
      return [boundedText(name), text.slice(0, MAX_TEXT_CHARACTERS)];
    }),
  );
}

/** Finite numbers of an object: at most 64. */
export function numberMap(value: unknown): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const [name, one] of Object.entries(asJson(value)).slice(0, MAX_ENTRIES)) {
    if (typeof one === 'number' && Number.isFinite(one)) numbers[boundedText(name)] = one;
  }
  return numbers;
}
