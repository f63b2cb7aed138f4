/**
 * Whether names are free, and texts can stand where they are rendered: in configuration files, unit files, shell lists and
 * URLs that each have a grammar of their own. Used by `check.ts`.
 */
import type { Report } from './check.ts';
import type { Topology } from './schema.ts';

const WORD = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
const CARD = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;
const PATH = /^(\/[A-Za-z0-9_.+-]+)+$/;
/** What Ansible means something else by, and the folder of its files among those of the machines. */
const TAKEN = ['all', 'ungrouped', 'localhost', 'ansible'];

export function checkNames(topology: Topology, report: Report): void {
  const { machines, nats } = topology;
  const nodes = new Map<string, string>();
  const take = (node: string, machine: string) => {
    // the name of a node's secret, where each has one, is in capitals and without signs
    const key = nats.credentials === 'node' ? node.toUpperCase().replaceAll('-', '_') : node;
    const other = nodes.get(key);
    if (other !== undefined && other !== machine)
      report('NODE_TWICE', `machines.${machine}`, `its node ${node} and one of ${other} would be called alike`);
    nodes.set(key, machine);
  };
  for (const [name, { roles }] of Object.entries(machines)) {
    if (TAKEN.includes(name.toLowerCase()))
      report('NAME', `machines.${name}`, 'is a name that Ansible has for something else');
    take(name, name);
    if (roles.includes('edge') && roles.includes('origin')) take(`${name}-origin`, name);
    if (roles.includes('dns') && (roles.includes('edge') || roles.includes('origin'))) take(`${name}-agent`, name);
  }
  checkTexts(topology, report);
}

/** Texts by their key. */
function checkTexts(topology: Topology, report: Report): void {
  const { cluster, sites, machines, software, tls, clientTls, dns, alerts, admin, faro, clickhouse } = topology;
  const must = (path: string, text: string, form: RegExp, words: string) => {
    if (!form.test(text)) report('TEXT', path, `"${text}" is no ${words}`);
  };
  must('cluster', cluster, WORD, 'name: 1-63 letters, digits, "-" or "_"');
  for (const [name, site] of Object.entries(sites))
    must(`sites.${name}.interface`, site.interface, CARD, 'name of a card like eth0');
  for (const [name, machine] of Object.entries(machines)) {
    if (machine.interface !== undefined)
      must(`machines.${name}.interface`, machine.interface, CARD, 'name of a card like eth0');
    for (const card of Object.keys(machine.cards))
      must(`machines.${name}.cards`, card, CARD, 'name of a card like eth0');
  }
  const paths = { 'software.path': software.path, ...under('tls', tls), ...under('clientTls', clientTls) };
  for (const [path, text] of Object.entries(paths)) must(path, text, PATH, 'absolute path without spaces');
  must('software.archive', software.archive, /^\S*$/, 'URL or file without spaces');
  must('software.sha256', software.sha256, /^([0-9a-f]{64})?$/, 'checksum: 64 digits and letters a to f');
  if (software.archive === '' && software.sha256 !== '')
    report('TEXT', 'software.archive', 'is missing, although software.sha256 says its checksum');
  must(
    'dns.hostmaster',
    dns.hostmaster,
    /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$/,
    'mailbox as zones have it: a dot where an address has "@"',
  );
  must('clickhouse.host', clickhouse.host, /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?$/, 'name of a host');
  must('admin.sshUser', admin.sshUser, /^[a-z_][a-z0-9_-]*$/, 'name of a user');
  if (faro.url !== '' && !(URL.canParse(faro.url) && /^https?:\S+\/faro\/collect$/.test(faro.url)))
    report('TEXT', 'faro.url', `"${faro.url}" is no URL like https://measure.example.net/faro/collect`);
  if (alerts.webhook !== '' && !(URL.canParse(alerts.webhook) && /^https?:\S+$/.test(alerts.webhook)))
    report('TEXT', 'alerts.webhook', `"${alerts.webhook}" is no URL like https://example.net/alerts`);
}

function under(section: string, { ca, cert, key }: { ca?: string; cert: string; key: string }): Record<string, string> {
  const all = { cert, key, ...(ca === undefined ? {} : { ca }) };
  return Object.fromEntries(Object.entries(all).map(([name, path]) => [`${section}.${name}`, path]));
}
