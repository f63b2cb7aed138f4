// The rendered install script, run for real in a root of its own (an overlay over this machine's): what it changes, that it
// changes nothing twice, what it takes away, what it tells systemd.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parseTopology } from '@weir/contracts/topology/load';
import { renderFolder } from '@weir/infra/render/folder';
import { writeSecrets } from '@weir/infra/render/secrets';
import { writeFolder } from '@weir/infra/render/write';

const example = readFileSync(new URL('../../infra/topology.example.yaml', import.meta.url), 'utf8');
/** Says what it was told; what was started runs. (Units under a real systemd: test/ha/part-machines.ts.) */
const SYSTEMCTL = `#!/bin/sh
echo "$*" >>/var/tmp/told
for unit; do :; done
case $1 in
  start) touch /var/tmp/runs-$unit ;;
  is-active | is-enabled) [ -f /var/tmp/runs-$unit ] || exit 3; [ "$2" = --quiet ] || echo active ;;
esac
`;

const work = mkdtempSync(join(tmpdir(), 'weir-install-'));
const why = whyNot();

function whyNot(): string | undefined {
  let reason: string | undefined;
  if (process.platform !== 'linux' || process.getuid?.() !== 0) reason = 'this needs root on Linux';
  else {
    const probe = spawnSync(
      'unshare',
      [
        '-m',
        'sh',
        '-c',
        `mkdir -p ${work}/u ${work}/w ${work}/r && mount -t tmpfs none ${work}/u && mkdir ${work}/u/u ${work}/u/w && mount -t overlay overlay -o lowerdir=/etc,upperdir=${work}/u/u,workdir=${work}/u/w ${work}/r`,
      ],
      { encoding: 'utf8' },
    );
    if (probe.status !== 0) reason = `no overlay mounts here: ${probe.stderr.trim()}`;
  }
  if (reason) process.stderr.write(`\n*** SKIPPED: the install script: ${reason} ***\n\n`);
  return reason;
}

describe('the install script', { skip: why ?? false }, () => {
  const out = join(work, 'out');
  const edge = join(out, 'fra-e1');
  const archive = join(work, 'weir.tar.gz');
  const layers = join(work, 'layers');

  before(() => {
    const content = join(work, 'content');
    mkdirSync(content);
    writeFileSync(join(content, 'VERSION'), 'one');
    execFileSync('tar', ['-czf', archive, '-C', content, '.']);
    // overlay layers may not lie on an overlay themselves: keep them where the disk is
    mkdirSync(layers);
    render(sha256(archive));
  });
  beforeEach(() => rmSync(join(layers, 'upper'), { recursive: true, force: true }));
  after(() => rmSync(work, { recursive: true, force: true }));

  function render(sum: string): void {
    const text = `${example}\nsoftware: { archive: ${archive}, sha256: '${sum}' }\n`;
    const { topology } = parseTopology(text, 'example');
    rmSync(join(out, 'secrets.env'), { force: true });
    writeFolder(out, renderFolder(topology));
    writeSecrets(topology, join(work, 'secrets.env'));
  }

  /** Runs shell lines with `$R` a root of its own that lasts for one test; `install` is the edge's script. */
  function inRoot(lines: string): { status: number | null; output: string } {
    const script = `set -e
R=${work}/root; mkdir -p $R ${layers}/upper ${layers}/work
mount -t overlay overlay -o lowerdir=/,upperdir=${layers}/upper,workdir=${layers}/work $R
mount --bind /proc $R/proc; mount --bind /dev $R/dev; mkdir -p $R${work} $R/etc/weir/tls; mount --bind ${work} $R${work}
touch $R/etc/weir/tls/ca.pem
install() { sh ${edge}/install.sh --no-packages "$@"; }
${lines}`;
    const result = spawnSync('unshare', ['-m', '--propagation', 'private', 'sh', '-c', script], { encoding: 'utf8' });
    return { status: result.status, output: result.stdout + result.stderr };
  }

  it('names every secret and certificate that is missing and changes nothing', () => {
    const { status, output } = inRoot(
      'rm -r $R/etc/weir; install --root $R && exit 9; [ ! -e $R/etc/weir ] && [ ! -e $R/opt/weir ] && exit 1',
    );
    assert.equal(status, 1, output);
    assert.match(output, /secret RELAY_KEY is missing: relays between members/);
    assert.match(output, /secret NATS_PASSWORD_NODE is missing/);
    assert.match(output, /\/etc\/weir\/tls\/ca\.pem is missing: the authority of the cluster’s certificates/);
    assert.match(output, /--secrets FILE/);
  });

  it('installs files, user, software and units into a root, and the second run changes nothing', () => {
    const { status, output } = inRoot(`install --root $R --secrets ${work}/secrets.env
echo ---; install --root $R
echo ---; stat -c '%a %U:%G %n' $R/etc/weir/edge.yaml $R/etc/weir/secrets.env | sed "s#$R##"
chroot $R stat -c '%a %U:%G' /etc/weir/edge.yaml; grep -c @secret $R/etc/weir/edge.yaml || true
cat $R/opt/weir/VERSION; chroot $R id -un weir; ls -l $R/etc/systemd/system/multi-user.target.wants | grep -c weir-`);
    assert.equal(status, 0, output);
    const [first = '', second = '', facts = ''] = output.split('---\n');
    assert.match(first, /\+ user weir\n/);
    assert.match(first, /\+ file \/etc\/weir\/edge\.yaml/);
    assert.match(first, /~ software \/opt\/weir from/);
    assert.ok(Number(/changed: (\d+)/.exec(first)?.[1]) > 12, first);
    assert.equal(second, 'changed: 0\n');
    assert.match(facts, /600 root:root \/etc\/weir\/secrets\.env/);
    assert.match(facts, /640 root:weir\n0\none\s?weir\n3\n/);
  });

  it('keeps only the secrets its machine needs', () => {
    const { status, output } = inRoot(
      `install --root $R --secrets ${work}/secrets.env >/dev/null; cut -d= -f1 $R/etc/weir/secrets.env`,
    );
    assert.equal(status, 0, output);
    assert.equal(output, 'FARO_KEY\nNATS_PASSWORD_NODE\nRELAY_KEY\n');
  });

  it('shows in a dry run what it would do, without secrets, and does nothing', () => {
    const { status, output } = inRoot(`install --root $R --secrets ${work}/secrets.env >/dev/null
sed -i 's/8000/7000/' $R/etc/weir/edge.yaml; echo 'net.ipv4.ip_forward = 1' >>$R/etc/sysctl.d/60-weir.conf
find $R/etc -newer $R/etc/sysctl.d/60-weir.conf >/dev/null; before=$(md5sum $R/etc/weir/edge.yaml $R/etc/sysctl.d/60-weir.conf)
install --root $R --dry-run; [ "$before" = "$(md5sum $R/etc/weir/edge.yaml $R/etc/sysctl.d/60-weir.conf)" ]`);
    assert.equal(status, 0, output);
    assert.match(output, /~ file \/etc\/weir\/edge\.yaml\n/);
    assert.match(output, /~ file \/etc\/sysctl\.d\/60-weir\.conf\n.*@@[\s\S]*-net\.ipv4\.ip_forward = 1/);
    assert.match(output, /changed: 2\n$/);
    const secret = /RELAY_KEY=(.*)/.exec(readFileSync(join(work, 'secrets.env'), 'utf8'))?.[1] ?? 'none';
    assert.ok(!output.includes(secret), output);
  });

  it('takes away what a later topology does not have', () => {
    const { status, output } = inRoot(`install --root $R --secrets ${work}/secrets.env >/dev/null
cp -r ${edge} ${work}/later; sed -i '/weir-address/d' ${work}/later/manifest
sh ${work}/later/install.sh --no-packages --root $R; rm -r ${work}/later; [ ! -e $R/etc/systemd/system/weir-address.service ]`);
    assert.equal(status, 0, output);
    assert.match(output, /- file \/etc\/systemd\/system\/weir-address\.service/);
    assert.match(output, /- unit weir-address\.service/);
  });

  it('starts units in order, later reloads or restarts only those whose files changed', () => {
    writeFileSync(join(work, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
    const { status, output } = inRoot(`cp ${work}/systemctl $R/usr/local/bin/systemctl; export PATH=/usr/local/bin:$PATH
chroot $R sh ${edge}/install.sh --no-packages --secrets ${work}/secrets.env >/dev/null; cat $R/var/tmp/told; echo ---
rm $R/var/tmp/told; echo '# x' >>$R/etc/weir/firewall.nft; echo '# x' >>$R/etc/weir/edge.yaml
chroot $R sh ${edge}/install.sh --no-packages; echo ---; grep -v ^is- $R/var/tmp/told; echo ---
rm $R/var/tmp/told; chroot $R sh ${edge}/install.sh --no-packages; grep -v ^is- $R/var/tmp/told || true`);
    assert.equal(status, 0, output);
    const [first = '', second = '', told = '', third = ''] = output.split('---\n');
    const started = [...first.matchAll(/^start (\S+)$/gm)].map((match) => match[1]);
    assert.deepEqual(started, ['weir-firewall.service', 'weir-address.service', 'weir-edge.service']);
    assert.match(second, /! reload weir-firewall\.service\n! restart weir-edge\.service\nchanged: 2/);
    assert.equal(told, 'daemon-reload\nreload weir-firewall.service\nrestart weir-edge.service\n');
    assert.equal(third, 'changed: 0\n');
  });

  it('puts in force what a run that failed half-way had changed', () => {
    writeFileSync(join(work, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
    const { status, output } = inRoot(`cp ${work}/systemctl $R/usr/local/bin/systemctl; export PATH=/usr/local/bin:$PATH
chroot $R sh ${edge}/install.sh --no-packages --secrets ${work}/secrets.env >/dev/null
echo '# x' >>$R/etc/weir/firewall.nft; rm $R/opt/weir/.installed; mv ${archive} ${archive}.away
chroot $R sh ${edge}/install.sh --no-packages 2>&1 && exit 9; mv ${archive}.away ${archive}; rm $R/var/tmp/told
chroot $R sh ${edge}/install.sh --no-packages; echo ---; grep -v ^is- $R/var/tmp/told; rm $R/var/tmp/told; echo ---
chroot $R sh ${edge}/install.sh --no-packages; grep -v ^is- $R/var/tmp/told || true`);
    assert.equal(status, 0, output);
    const [failed = '', told = '', third = ''] = output.split('---\n');
    assert.match(failed, /~ file \/etc\/weir\/firewall\.nft[\s\S]*install\.sh: cannot fetch .*weir\.tar\.gz/);
    assert.equal(told, 'daemon-reload\nreload weir-firewall.service\nrestart weir-edge.service\n');
    assert.equal(third, 'changed: 0\n');
  });

  it('refuses software whose checksum is another', () => {
    render('0'.repeat(64));
    const { status, output } = inRoot(`install --root $R --secrets ${work}/secrets.env`);
    assert.equal(status, 1, output);
    assert.match(output, /has not the checksum/);
    render(sha256(archive));
  });

  it('refuses a secret that could break a file, and an unknown argument', () => {
    const bad = join(work, 'bad.env');
    writeFileSync(bad, readFileSync(join(work, 'secrets.env'), 'utf8'));
    appendFileSync(bad, 'RELAY_KEY=a/b"\n');
    assert.match(inRoot(`install --root $R --secrets ${bad}`).output, /secret RELAY_KEY may hold letters/);
    assert.equal(inRoot('install --whatever').status, 2);
    assert.ok(existsSync(bad) && statSync(bad).size > 0);
  });
});

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
