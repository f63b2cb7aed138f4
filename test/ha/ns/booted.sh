#!/bin/sh
# Boots systemd as the first process of a machine made of namespaces: booted.sh FOLDER CGROUP REPOSITORY. Its root is the
# host's under an overlay in memory; FOLDER is at /mnt, REPOSITORY at /opt/weir. Run inside the machine's network namespace.
set -e
if [ "$$" != 1 ]; then
  mkdir -p "$1/cgroup"
  mount -t cgroup2 none "$1/cgroup"
  mkdir -p "$1/cgroup/$2"
  echo $$ >"$1/cgroup/$2/cgroup.procs"
  exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child=KILL --propagation private sh "$0" "$@"
fi
layers=$1/layers root=$1/root
mkdir -p "$layers"
mount -t tmpfs none "$layers"
mkdir -p "$layers/upper" "$layers/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount -t proc none "$root/proc"
# the host's kernel settings are the host's
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro none "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 none "$root/dev/pts"
mount -t tmpfs none "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for part in run tmp; do mount -t tmpfs -o mode=755 none "$root/$part"; done
chmod 1777 "$root/tmp"
# nothing of the host's starts, and nothing keeps packages from starting theirs
rm -rf "$root"/etc/systemd/system/*.wants "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/opt/weir" "$root/old"
mount --bind "$1" "$root/mnt"
mount --bind "$3" "$root/opt/weir"
cd "$root"
pivot_root . old
umount -l /old
exec env -i container=weir PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
