#!/bin/sh
# Makes a bootable Debian kernel with IPVS out of its package, without installing it: kernel.sh FOLDER
# The initrd holds the modules the guest needs and mounts the host's root read-only over 9p as the guest's own.
set -eu
folder=${1:?kernel.sh FOLDER}
mkdir -p "$folder"
cd "$folder"
# two suites may begin at once
exec 9>lock
flock 9
modules='virtio_pci virtio_net virtio_console 9pnet_virtio 9p overlay veth bridge af_packet ip_vs ip_vs_wrr nf_tables nft_ct
  nft_nat nft_chain_nat nft_limit nft_log nf_conntrack'
[ "$(cat ready 2>/dev/null)" = "$modules" ] && exit 0
find_package() {
  package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [ -n "$package" ]
}
# a fresh machine has no package lists
find_package || { apt-get -q update >update.log 2>&1 && find_package; } ||
  { echo 'no kernel package in the package lists, and apt-get update brings none' >&2 && exit 1; }
version=${package#linux-image-}
apt-get -q download "$package" >download.log 2>&1 || { cat download.log >&2 && exit 1; }
rm -rf unpacked initrd
dpkg-deb -x "$package"_*.deb unpacked
rm -f "$package"_*.deb
cp "unpacked/boot/vmlinuz-$version" vmlinuz
depmod -b unpacked "$version"
files_of() {
  for module in "$@"; do
    modprobe -d "$PWD/unpacked" -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
  done | awk '!seen[$0]++'
}
mkdir -p initrd/bin initrd/modules initrd/root initrd/proc initrd/dev
cp /bin/busybox initrd/bin/busybox
# shellcheck disable=SC2086 # a list
files_of $modules >list
while read -r file; do
  cp "$file" initrd/modules/
  basename "$file"
done <list >initrd/modules/order
cat >initrd/init <<'INIT'
#!/bin/busybox sh
B=/bin/busybox
$B mount -t devtmpfs none /dev
$B mount -t proc none /proc
while read -r module; do $B insmod /modules/$module || echo "insmod $module failed"; done </modules/order
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro hostroot /root ||
  { echo 'no 9p root' && $B poweroff -f; }
for word in $($B cat /proc/cmdline); do case $word in weir.guest=*) guest=${word#weir.guest=} ;; esac; done
$B umount /proc
exec $B switch_root /root /bin/sh "$guest"
INIT
chmod +x initrd/init
(cd initrd && find . | cpio -o -H newc --quiet | gzip -1) >initrd.gz
rm -rf unpacked initrd list
printf %s "$modules" >ready
