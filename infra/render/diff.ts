/**
 * What a change of the topology does to each machine: files, units, and what people notice of it. Compares two rendered
 * folders, in memory or read from disk.
 */
import { createTwoFilesPatch } from 'diff';
import type { OutputFile } from './folder.ts';

/** One changed file of a machine. */
export interface FileChange {
  /** Path on the machine. */
  path: string;
  kind: 'added' | 'removed' | 'changed';
  /** Unified diff. */
  patch: string;
  /** What install.sh does after it, e.g. `restart weir-edge.service`. */
  reaction: string;
}

/** All changes of one machine. */
export interface MachineChange {
  machine: string;
  kind: 'added' | 'removed' | 'changed';
  files: FileChange[];
  /** Packages and units that come (+) and go (-). */
  manifest: string[];
  /** What people notice, one sentence per reaction; empty = nothing. */
  effects: string[];
}

/** Changes from `before` to `after`, by machine; machines that stay the same are not in it. */
export function diffFolders(before: readonly OutputFile[], after: readonly OutputFile[]): MachineChange[] {
  const old = byMachine(before);
  const fresh = byMachine(after);
  return [...new Set([...old.keys(), ...fresh.keys()])]
    .sort()
    .map((machine) => diffMachine(machine, old.get(machine), fresh.get(machine)))
    .filter((change) => change.kind !== 'changed' || change.files.length > 0 || change.manifest.length > 0);
}

/** Reactions that someone notices, in words. */
const EFFECTS: readonly (readonly [pattern: RegExp, effect: string])[] = [
  [/^restart weir-edge/, 'the edge restarts: its viewers reconnect elsewhere; drain it first (weir drain)'],
  [/^restart weir-origin/, 'the origin restarts: edges switch to another, viewers stay'],
  [
    /^restart weir-address/,
    'the virtual address is taken off for a moment: its viewers reconnect; drain the edge first',
  ],
  [/^restart weir-nats/, 'the NATS server restarts: clients move to the others, telemetry waits'],
  [/^reload weir-nats/, 'NATS reloads: no connection is cut'],
  [/^restart weir-ingest/, 'this copy of ingest restarts: others take its partitions'],
  [/^reload keepalived/, 'keepalived reloads: open connections stay, changed edges join or leave the spread'],
  [/^restart weir-sync/, 'for a moment the partner does not hear of new connections'],
  [/^reload weir-firewall/, 'the firewall is replaced at once: open connections stay'],
  [/^restart pdns/, 'the name server restarts: the others answer meanwhile'],
  [/^restart clickhouse/, 'ClickHouse restarts: ingest and Grafana wait for it'],
  [/^restart grafana/, 'Grafana restarts: alert rules pause for some seconds'],
];

function diffMachine(
  machine: string,
  before: Map<string, string> | undefined,
  after: Map<string, string> | undefined,
): MachineChange {
  const reactions = reactionsOf(after ?? before);
  const paths = [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].sort();
  const files = paths
    .filter((path) => path.startsWith('files/') && before?.get(path) !== after?.get(path))
    .map((path): FileChange => {
      const from = before?.get(path);
      const to = after?.get(path);
      const name = path.slice('files'.length);
      const kind = from === undefined ? 'added' : to === undefined ? 'removed' : 'changed';
      const patch = createTwoFilesPatch(name, name, from ?? '', to ?? '', undefined, undefined, { context: 2 });
      return { path: name, kind, patch, reaction: kind === 'removed' ? '' : (reactions.get(name) ?? '') };
    });
  const kind = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
  const happening = new Set(files.map((file) => file.reaction));
  const effects =
    kind === 'changed'
      ? EFFECTS.filter(([pattern]) => [...happening].some((reaction) => pattern.test(reaction))).map(
          ([, effect]) => effect,
        )
      : [];
  return { machine, kind, files, manifest: kind === 'changed' ? manifestChanges(before, after) : [], effects };
}

/** Names of the machines in a folder. */
export function machinesOf(files: readonly OutputFile[]): string[] {
  return [...byMachine(files).keys()];
}

function byMachine(files: readonly OutputFile[]): Map<string, Map<string, string>> {
  const machines = new Map<string, Map<string, string>>();
  const named = new Set(files.filter((file) => file.path.endsWith('/manifest')).map((file) => file.path.split('/')[0]));
  for (const file of files) {
    const [machine = '', ...rest] = file.path.split('/');
    if (!named.has(machine)) continue;
    const own = machines.get(machine) ?? new Map<string, string>();
    own.set(rest.join('/'), file.content);
    machines.set(machine, own);
  }
  return machines;
}

/** `restart unit` by path, out of the manifest. */
function reactionsOf(files: Map<string, string> | undefined): Map<string, string> {
  const reactions = new Map<string, string>();
  for (const line of lines(files)) {
    const [kind, , , path = '', verb, unit] = line.split(' ');
    if (kind === 'file' && verb !== undefined) reactions.set(path, `${verb} ${unit}`);
  }
  return reactions;
}

function manifestChanges(before: Map<string, string> | undefined, after: Map<string, string> | undefined): string[] {
  const relevant = (line: string) => /^(masked|package|unit|secret|needs|software|user) /.test(line);
  const old = new Set(lines(before).filter(relevant));
  const fresh = new Set(lines(after).filter(relevant));
  return [
    ...[...old].filter((line) => !fresh.has(line)).map((line) => `- ${line}`),
    ...[...fresh].filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}

function lines(files: Map<string, string> | undefined): string[] {
  return files?.get('manifest')?.split('\n') ?? [];
}
