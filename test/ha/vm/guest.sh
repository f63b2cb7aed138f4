#!/bin/sh
# First process of the guest; its root is the host's, read-only. Runs one program and leaves output and status in /mnt.
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs -o size=75% none /run
mount -t tmpfs none /tmp
mkdir -p /run/netns /run/work
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out /mnt
# the repository at a fixed place, wherever it lies on the host (under /tmp, say, which is another one here)
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro repo /srv
ip link set lo up
export HOME=/run/work
for word in $(cat /proc/cmdline); do
  case $word in
    weir.node=*) node=${word#weir.node=} ;;
    weir.suite=*) suite=${word#weir.suite=} ;;
  esac
done
PATH=$(dirname "$node"):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
cd /run/work || exit
"$node" "$suite" >/mnt/log 2>&1
echo $? >/mnt/status
sync
/bin/busybox poweroff -f
