/** The nearest known name for one that is unknown, as the end of an error's sentence. */
import { closest, distance } from 'fastest-levenshtein';

/** `; did you mean "…"?`, or nothing when no known name is near. */
export function closestName(name: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const nearest = closest(name, [...known]);
  return distance(name, nearest) <= Math.max(2, name.length / 3) ? `; did you mean "${nearest}"?` : '';
}
