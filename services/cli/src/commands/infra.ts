/** `weir infra`: one topology file to everything each machine needs, and what a change of it would do. */
import { ConfigError } from '@weir/contracts/errors';
import { loadTopology } from '@weir/contracts/topology/load';
import { closestName } from '@weir/contracts/topology/names';
import type { Topology } from '@weir/contracts/topology/schema';
import { diffFolders, type MachineChange, machinesOf } from '@weir/infra/render/diff';
import { renderFolder } from '@weir/infra/render/folder';
import { writeSecrets } from '@weir/infra/render/secrets';
import { isRendered, readFolder, writeFolder } from '@weir/infra/render/write';
import type { CliCommand, Invocation } from '../cli-command.ts';

const DEFAULT_OUT = 'rendered';
const DEFAULT_SECRETS = 'secrets.env';
/** `diff` found something: distinct from an error, as diff(1) has it the other way round. */
const STATUS_DIFFERS = 3;

export const infra: CliCommand = {
  description:
    'Renders a topology file into a folder per machine (keepalived, firewall, DNS, NATS, ClickHouse, units, configuration, ' +
    'install script, cloud-init, Ansible), checks it, or shows what a change would do to each machine.',
  sections: [],
  examples: [
    ['weir infra check infra/topology.example.yaml', 'say what is wrong or doubtful'],
    ['weir infra render infra/topology.example.yaml --out rendered', 'write a folder per machine'],
    [
      'weir infra diff infra/topology.example.yaml --out rendered',
      'what rendering again would change (status 3: something)',
    ],
    ['weir infra secrets infra/topology.example.yaml --file secrets.env', 'make the secrets that are missing'],
  ],
  define(command) {
    command.argument('<action>', 'check, render, diff or secrets');
    command.argument('<topology>', 'the topology file');
    command.option('--out <dir>', 'folder of the rendered files', DEFAULT_OUT);
    command.option('--file <path>', 'secrets file', DEFAULT_SECRETS);
    command.option('--against <topology>', 'diff: compare with another topology file instead of the folder');
    command.option('--machine <name>', 'diff: one machine only');
    command.option('--json', 'diff: print JSON');
  },
  async run(invocation) {
    const [action = '', path = ''] = invocation.args;
    const run = ACTIONS[action];
    if (!run) {
      throw new ConfigError('INFRA_ACTION', `weir infra knows ${Object.keys(ACTIONS).join(', ')}, not "${action}".`);
    }
    const { topology, warnings } = loadTopology(path);
    for (const warning of warnings)
      print(`warning: ${warning.path}: ${warning.message} [${warning.code}]`, process.stderr);
    return run(topology, invocation);
  },
};

type Action = (topology: Topology, invocation: Invocation) => number;

const ACTIONS: Record<string, Action> = { check, render, diff, secrets };

function check(topology: Topology): number {
  const count = Object.keys(topology.machines).length;
  print(`The topology is sound: ${count} machines, ${Object.keys(topology.groups).length} groups.`);
  return 0;
}

function render(topology: Topology, { options }: Invocation): number {
  const out = String(options.out);
  const files = renderFolder(topology);
  const { written, removed } = writeFolder(out, files);
  const machines = Object.keys(topology.machines).length;
  print(`${out}: ${machines} machines, ${files.length} files (${written} written, ${removed} removed).`);
  print(
    `On a machine: ${out}/<machine>/install.sh --dry-run; on all: ansible-playbook -i ${out}/ansible/inventory.yaml ${out}/ansible/site.yaml`,
  );
  return 0;
}

function diff(topology: Topology, { options }: Invocation): number {
  const before = earlier(options);
  const after = renderFolder(topology);
  const { machine } = options;
  if (typeof machine === 'string') mustKnow(machine, [...machinesOf(before), ...machinesOf(after)]);
  const changes = diffFolders(before, after).filter((change) => machine === undefined || change.machine === machine);
  if (options.json === true) print(JSON.stringify(changes));
  else if (changes.length === 0) print('No machine changes.');
  else for (const change of changes) printChange(change);
  return changes.length === 0 ? 0 : STATUS_DIFFERS;
}

function earlier(options: Invocation['options']): ReturnType<typeof readFolder> {
  if (typeof options.against === 'string') return renderFolder(loadTopology(options.against).topology);
  const out = String(options.out);
  if (!isRendered(out)) {
    throw new ConfigError(
      'INFRA_NO_FOLDER',
      `There is no rendered folder ${out} to compare with; give --out or --against.`,
    );
  }
  return readFolder(out);
}

/** @throws ConfigError `INFRA_NO_MACHINE`: nothing would look like no change. */
function mustKnow(machine: string, known: readonly string[]): void {
  if (known.includes(machine)) return;
  const words = `There is no machine "${machine}", before or after${closestName(machine, known)}`;
  throw new ConfigError('INFRA_NO_MACHINE', words.endsWith('?') ? words : `${words}.`);
}

function printChange({ machine, kind, files, manifest, effects }: MachineChange): void {
  if (kind !== 'changed') {
    print(`${kind === 'added' ? '+' : '-'} machine ${machine}: ${kind}, ${files.length} files\n`);
    return;
  }
  print(`~ machine ${machine}`);
  for (const effect of effects) print(`  ! ${effect}`);
  for (const line of manifest) print(`  ${line}`);
  for (const file of files) {
    print(`  ${file.kind} ${file.path}${file.reaction === '' ? '' : ` → ${file.reaction}`}`);
    // the first four lines of a patch name the file once more
    for (const line of file.patch.split('\n').slice(4)) if (line !== '') print(`    ${line}`);
  }
  print('');
}

function secrets(topology: Topology, { options }: Invocation): number {
  const file = String(options.file);
  const { added, kept } = writeSecrets(topology, file);
  print(`${file}: ${added.length} secrets made (${added.join(', ') || 'none'}), ${kept.length} kept.`);
  return 0;
}

function print(line: string, to: NodeJS.WriteStream = process.stdout): void {
  to.write(`${line}\n`);
}
