/** Tells one boot of the machine from the next: counters since boot and unsynced files are only good within one. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * Id of the present boot. Where the system has none (not Linux) each call gives a new one, so that whoever compares
 * takes the careful way.
 */
export function readBootId(path = '/proc/sys/kernel/random/boot_id'): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return randomUUID();
  }
}
