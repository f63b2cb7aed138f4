/** What rendering makes: per machine its files, packages, units and secrets. `render.ts` makes it, `write.ts` writes it. */

/** What has to happen on a machine after a file changed; a unit that appears under both is restarted. */
export interface Reaction {
  verb: 'reload' | 'restart';
  /** systemd unit. */
  unit: string;
}

/** One file of one machine. */
export interface RenderedFile {
  /** Absolute, on the machine. */
  path: string;
  content: string;
  /** Default 0644; 0640 where a secret is filled in. */
  mode?: '0644' | '0640' | '0755';
  /** Group that may read it besides root, default root. */
  group?: string;
  /** Default none. */
  reaction?: Reaction;
}

/** A secret that a machine needs, and what for. */
export interface NeededSecret {
  name: string;
  purpose: string;
}

/** A file that a machine needs and nobody renders, and what for. */
export interface NeededFile {
  path: string;
  /** Group that alone may read it besides root; none = it is no secret. */
  group?: string;
  purpose: string;
}

/** What one role brings to a machine; several roles add up. */
export interface Contribution {
  /** Debian packages. */
  packages?: readonly string[];
  files?: readonly RenderedFile[];
  /** Units enabled and started, in this order. */
  units?: readonly string[];
  secrets?: readonly NeededSecret[];
  /** Units of Debian's packages that would take a port of ours; they never start. */
  masked?: readonly string[];
  /** Listeners and who may reach them. */
  openings?: readonly Opening[];
  /** Whether Weir's own software runs here. */
  software?: boolean;
}

/** A port and the networks or addresses that may connect to it; `any` = everybody, with the limit per source. */
export interface Opening {
  ports: readonly number[];
  protocol: 'tcp' | 'udp';
  from: readonly string[] | 'any';
  comment: string;
}

/** All of one machine. */
export interface RenderedMachine {
  name: string;
  address: string;
  /** For Ansible's groups and for people. */
  roles: readonly string[];
  packages: readonly string[];
  /** By path. */
  files: readonly RenderedFile[];
  units: readonly string[];
  secrets: readonly NeededSecret[];
  masked: readonly string[];
  /** By path. */
  needs: readonly NeededFile[];
  software: boolean;
}

/** First line of every rendered file that takes `#` comments. */
export function header(machine: string, what: string): string {
  return `# ${what} of ${machine}. Rendered from the topology: change it there, render again.\n`;
}
