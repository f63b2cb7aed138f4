/**
 * The folder `weir infra render` writes: per machine what `install.sh` puts there, the same for cloud-init, and an Ansible
 * inventory with a playbook. Made in memory first, so that writing, comparing and golden tests share one list.
 */
import { readFileSync } from 'node:fs';
import { SECRETS_FILE, type Topology } from '@weir/contracts/topology/schema';
import { stringify } from 'yaml';
import { WEIR_GROUP } from './node-config.ts';
import { renderTopology } from './render.ts';
import type { RenderedFile, RenderedMachine } from './rendered.ts';

/** A file of the folder; its path is relative to the folder. */
export interface OutputFile {
  path: string;
  content: string;
  executable: boolean;
}

const INSTALL_SCRIPT = new URL('../install/install.sh', import.meta.url);
/** Where Ansible and cloud-init leave a machine's folder on the machine: root's alone, because root runs what is in it. */
const LANDING = '/var/lib/weir-install/rendered';

/** All files of the folder, by path. */
export function renderFolder(topology: Topology): OutputFile[] {
  const machines = renderTopology(topology);
  const script = readFileSync(INSTALL_SCRIPT, 'utf8');
  const files = machines.flatMap((machine) => machineFiles(topology, machine, script));
  files.push(
    text('ansible/inventory.yaml', inventory(topology, machines)),
    text('ansible/site.yaml', playbook()),
    text('secrets.env.example', secretsExample(machines)),
  );
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function machineFiles(topology: Topology, machine: RenderedMachine, script: string): OutputFile[] {
  const parts = [
    text('manifest', manifest(topology, machine)),
    { path: 'install.sh', content: script, executable: true },
    ...machine.files.map((file) => ({
      path: `files${file.path}`,
      content: file.content,
      executable: file.mode === '0755',
    })),
  ];
  const own = parts.map((file) => ({ ...file, path: `${machine.name}/${file.path}` }));
  return [...own, text(`${machine.name}/cloud-init.yaml`, cloudInit(machine, parts))];
}

/** What `install.sh` reads: one entry per line, its kind first. */
function manifest(topology: Topology, machine: RenderedMachine): string {
  const { path, archive, sha256 } = topology.software;
  const ours = machine.files.some((file) => file.group === WEIR_GROUP);
  const lines = [
    `# Machine ${machine.name} (${machine.roles.join(', ')}): what install.sh puts here.`,
    ...machine.masked.map((unit) => `masked ${unit}`),
    ...machine.packages.map((name) => `package ${name}`),
    ...(ours ? [`user ${WEIR_GROUP} /var/lib/weir`] : []),
    'folder /etc/weir 0755 root:root',
    `folder /var/lib/weir 0750 ${ours ? `${WEIR_GROUP}:${WEIR_GROUP}` : 'root:root'}`,
    ...machine.secrets.map((secret) => `secret ${secret.name} ${secret.purpose}`),
    ...machine.needs.map((file) => `needs ${file.path} ${file.group ?? '-'} ${file.purpose}`),
    ...machine.files.map((file) => fileLine(file)),
    ...(machine.software ? [`software ${path} ${archive} ${sha256}`.trimEnd()] : []),
    ...machine.units.map((unit) => `unit ${unit}`),
  ];
  return `${lines.join('\n')}\n`;
}

function fileLine({ path, mode = '0644', group = 'root', reaction }: RenderedFile): string {
  return `file ${mode} root:${group} ${path}${reaction ? ` ${reaction.verb} ${reaction.unit}` : ''}`;
}

/** User data that holds the machine's whole folder; secrets reach the machine on another way. */
function cloudInit(machine: RenderedMachine, files: readonly OutputFile[]): string {
  const data = {
    hostname: machine.name,
    write_files: files.map((file) => ({
      path: `${LANDING}/${file.path}`,
      permissions: file.executable ? '0700' : '0600',
      content: file.content,
    })),
    runcmd: [['sh', `${LANDING}/install.sh`]],
  };
  return `#cloud-config
# First start of ${machine.name}. Its secrets (${SECRETS_FILE}) come from your secret store or a \`write_files\` entry
# that you add; until they are there, install.sh names what is missing and changes nothing.
${stringify(data, { lineWidth: 0 })}`;
}

function inventory(topology: Topology, machines: readonly RenderedMachine[]): string {
  const { admin } = topology;
  const roles = [...new Set(machines.flatMap((machine) => machine.roles))].sort();
  const children = Object.fromEntries(
    roles.map((role) => [
      role.replaceAll('-', '_'),
      {
        hosts: Object.fromEntries(
          machines.filter((machine) => machine.roles.includes(role)).map(({ name }) => [name, {}]),
        ),
      },
    ]),
  );
  const hosts = Object.fromEntries(machines.map(({ name, address }) => [name, { ansible_host: address }]));
  return `# Rendered from the topology: change it there, render again.\n${stringify({
    all: { vars: { ansible_user: admin.sshUser, ansible_port: admin.sshPort }, hosts, children },
  })}`;
}

/** One machine of a kind at a time where two at once would be an outage. */
const ORDER: readonly (readonly [role: string, serial: number | string])[] = [
  ['nats', 1],
  ['nats_leaf', 1],
  ['clickhouse', 1],
  ['ingest', 1],
  ['origin', 1],
  ['edge', '10%'],
  ['director', 1],
  ['dns', 1],
  ['grafana', 1],
];

function playbook(): string {
  const all = {
    name: 'Bring each machine its folder',
    hosts: 'all',
    gather_facts: false,
    become: true,
    tasks: [
      {
        name: 'Bring the folder',
        'ansible.builtin.copy': {
          src: '../{{ inventory_hostname }}/',
          dest: `${LANDING}/`,
          mode: 'preserve',
          directory_mode: '0700',
        },
        check_mode: false,
      },
    ],
  };
  const plays = ORDER.map(([role, serial]) => ({
    name: `Install ${role}`,
    hosts: role,
    serial,
    gather_facts: false,
    become: true,
    tasks: [
      {
        block: [
          {
            name: 'Bring its secrets',
            'ansible.builtin.copy': { src: '{{ weir_secrets }}', dest: `${LANDING}/secrets.env`, mode: '0600' },
            when: 'weir_secrets is defined',
            no_log: true,
            diff: false,
            changed_when: false,
            check_mode: false,
          },
          {
            name: 'Install',
            // `omit` does nothing for one item of a list, so the whole list is made here
            'ansible.builtin.command': {
              argv:
                `{{ ['sh', '${LANDING}/install.sh'] + (['--dry-run'] if ansible_check_mode else []) + ` +
                `(['--secrets', '${LANDING}/secrets.env'] if weir_secrets is defined else []) }}`,
            },
            register: 'install',
            check_mode: false,
            changed_when: "'changed: 0' not in install.stdout_lines",
          },
          { name: 'What it did', 'ansible.builtin.debug': { var: 'install.stdout_lines' } },
        ],
        always: [
          {
            name: 'Take the secrets that were brought away again',
            'ansible.builtin.file': { path: `${LANDING}/secrets.env`, state: 'absent' },
            changed_when: false,
            check_mode: false,
          },
        ],
      },
    ],
  }));
  return `# ansible-playbook -i inventory.yaml site.yaml [-e weir_secrets=/path/secrets.env] [--check]
# Rendered from the topology: change it there, render again.
${stringify([all, ...plays], { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

function secretsExample(machines: readonly RenderedMachine[]): string {
  const needed = new Map<string, { purpose: string; machines: string[] }>();
  for (const machine of machines) {
    for (const { name, purpose } of machine.secrets) {
      const entry = needed.get(name) ?? { purpose, machines: [] };
      entry.machines.push(machine.name);
      needed.set(name, entry);
    }
  }
  const lines = [...needed]
    .sort()
    .map(([name, { purpose, machines: where }]) => `# ${purpose}; on ${where.join(', ')}\n${name}=\n`);
  return `# Secrets of the cluster: copy, fill in (letters, digits and _ . ~ -; weir infra secrets makes random ones), keep safe.
# install.sh --secrets takes from it only what its machine needs.
${lines.join('')}`;
}

function text(path: string, content: string): OutputFile {
  return { path, content, executable: false };
}
