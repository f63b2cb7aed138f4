/**
 * nats-server.conf of a cluster member, or of a leaf server that lets the machines of a site talk to a cluster far away
 * over one connection. Accounts: WEIR holds everything, SYS is for operators of the servers.
 */
import type { Topology } from '@weir/contracts/topology/schema';
import { secretReference } from '@weir/contracts/topology/schema';
import { innerOpening } from './firewall.ts';
import { type NatsUser, natsUsers } from './nats-rights.ts';
import { type NamedMachine, type Plan, withRole } from './plan.ts';
import { type Contribution, header, type NeededSecret, type RenderedFile } from './rendered.ts';

/** Where the configuration is. */
export const NATS_CONFIG_PATH = '/etc/weir/nats-server.conf';

/** Group of the NATS process. */
const NATS_GROUP = 'nats';

export function natsMember(plan: Plan, machine: NamedMachine): Contribution {
  const { topology } = plan;
  const { ports } = topology;
  const members = withRole(plan, 'nats');
  const routes = members
    .filter((member) => member.name !== machine.name)
    .map((member) => `    nats-route://${member.address}:${ports.natsCluster}\n`)
    .join('');
  const users = natsUsers(plan);
  const content = `${common(topology, machine)}
jetstream {
  store_dir: "/var/lib/nats"
  max_file_store: ${topology.nats.maxStoreGb}GB
  max_memory_store: ${topology.nats.maxMemoryMb}MB
}
${
  members.length > 1
    ? `
cluster {
  name: "${topology.cluster}"
  host: ${machine.address}
  port: ${ports.natsCluster}
${tls(topology, '  ', true)}  routes: [
${routes}  ]
}
`
    : ''
}
leafnodes {
  host: ${machine.address}
  port: ${ports.natsLeaf}
${tls(topology, '  ', false)}  authorization {
    users: [
      { user: leaf, password: "${secretReference('NATS_PASSWORD_LEAF')}", account: WEIR }
      { user: leaf-system, password: "${secretReference('NATS_PASSWORD_LEAF')}", account: SYS }
    ]
  }
}
${accounts(users, true)}`;
  return {
    ...service(machine, content, [
      ...passwords(users),
      { name: 'NATS_PASSWORD_LEAF', purpose: 'leaf servers at NATS' },
    ]),
    openings: [
      innerOpening(plan, [ports.nats], 'NATS'),
      ...(members.length > 1
        ? [
            {
              ports: [ports.natsCluster],
              protocol: 'tcp' as const,
              from: members.map((member) => member.address),
              comment: 'NATS cluster',
            },
          ]
        : []),
      ...leafOpening(plan),
    ],
  };
}

function leafOpening(plan: Plan): Contribution['openings'] & object {
  const leafs = withRole(plan, 'nats-leaf').map((leaf) => leaf.address);
  if (leafs.length === 0) return [];
  return [{ ports: [plan.topology.ports.natsLeaf], protocol: 'tcp', from: leafs, comment: 'NATS leafs' }];
}

export function natsLeaf(plan: Plan, machine: NamedMachine): Contribution {
  const { topology } = plan;
  const { ports } = topology;
  const password = secretReference('NATS_PASSWORD_LEAF');
  const scheme = topology.tls.enabled ? 'tls' : 'nats-leaf';
  const remote = (user: string, account: string) => `    {
      urls: [
${withRole(plan, 'nats')
  .map((member) => `        "${scheme}://${user}:${password}@${member.address}:${ports.natsLeaf}"\n`)
  .join('')}      ]
      account: ${account}
${topology.tls.enabled ? `      tls { ca_file: "${topology.tls.ca}" }\n` : ''}    }
`;
  const users = natsUsers(plan);
  const content = `${common(topology, machine)}
leafnodes {
  # with the system account connected too, JetStream of the cluster is reached from here as if it were local
  remotes: [
${remote('leaf', 'WEIR')}${remote('leaf-system', 'SYS')}  ]
}
${accounts(users, false)}`;
  return {
    ...service(machine, content, [
      ...passwords(users),
      { name: 'NATS_PASSWORD_LEAF', purpose: 'leaf servers at NATS' },
    ]),
    openings: [innerOpening(plan, [ports.nats], 'NATS')],
  };
}

function service(machine: NamedMachine, content: string, secrets: readonly NeededSecret[]): Contribution {
  const file: RenderedFile = {
    path: NATS_CONFIG_PATH,
    mode: '0640',
    group: NATS_GROUP,
    content: header(machine.name, 'nats-server') + content,
    reaction: { verb: 'reload', unit: 'weir-nats.service' },
  };
  // the package starts a server of its own, without configuration and on our port
  const masked = ['nats-server.service'];
  return { packages: ['nats-server'], masked, files: [file], units: ['weir-nats.service'], secrets };
}

function common(topology: Topology, machine: NamedMachine): string {
  return `
server_name: "${machine.name}"
host: 0.0.0.0
port: ${topology.ports.nats}
http: 127.0.0.1:${topology.ports.natsMonitor}
max_payload: 8MB
lame_duck_duration: 30s
${tls(topology, '', false)}`;
}

/** Servers of a cluster know each other by certificate; clients by password. */
function tls(topology: Topology, indent: string, mutual: boolean): string {
  if (!topology.tls.enabled) return '';
  const { ca, cert, key } = topology.tls;
  return `${indent}tls {
${indent}  cert_file: "${cert}"
${indent}  key_file: "${key}"
${indent}  ca_file: "${ca}"
${mutual ? `${indent}  verify: true\n` : ''}${indent}}
`;
}

function accounts(users: readonly NatsUser[], jetstream: boolean): string {
  return `
accounts {
  WEIR {
${jetstream ? '    jetstream: enabled\n' : ''}    users: [
${users.map((user) => account(user)).join('')}    ]
  }
  SYS {
    users: [ { user: system, password: "${secretReference('NATS_PASSWORD_SYSTEM')}" } ]
  }
}
system_account: SYS
`;
}

function account(user: NatsUser): string {
  const list = (subjects: readonly string[]) => subjects.map((subject) => `            "${subject}"\n`).join('');
  const rights = user.publish
    ? `        permissions {
          publish: { allow: [
${list(user.publish)}          ] }
          subscribe: { allow: [
${list(user.subscribe ?? [])}          ] }
        }
`
    : '';
  return `      {
        user: "${user.name}"
        password: "${secretReference(user.secret)}"
${rights}      }
`;
}

function passwords(users: readonly NatsUser[]): NeededSecret[] {
  return [
    ...users.map((user) => ({ name: user.secret, purpose: user.purpose })),
    { name: 'NATS_PASSWORD_SYSTEM', purpose: 'the system account of NATS' },
  ];
}
