/** What the admin API can see and do of its node: the seam between routes and everything else. */
import type { AppUsage } from '../access/access.ts';
import type { MediaSnapshot, StreamSnapshot } from '../stats.ts';
import type { OpenConnection } from '../stream/connections.ts';
import type { Drain } from './drain.ts';

/** What a reload did. */
export interface Reloaded {
  /** Keys whose new value is in force. */
  changed: string[];
  /** The certificate was read again. */
  certificate: boolean;
}

/** The node as the admin API sees it. */
export interface NodeHandle {
  describe(): {
    node: string;
    role: string;
    version: string;
    pid: number;
    startedAtMs: number;
    addresses: Record<string, string>;
  };
  stats(): MediaSnapshot;
  streams(): StreamSnapshot[];
  /** Publishers and viewers connected now, and how many there may be. */
  room(): { accepted: number; limit: number };
  /** What keeps the node from taking clients, empty when nothing does. */
  notReady(): string[];
  /** Of all its processes. */
  connections(): OpenConnection[] | Promise<OpenConnection[]>;
  /** What each app with a client or stream here uses, of its quota if it has one. */
  apps(): (AppUsage & { app: string })[];
  readonly drain: Drain;
  /** Reads the configuration again; undefined when there is nothing it could be read from. @throws WeirError. */
  reload: (() => Reloaded) | undefined;
}
