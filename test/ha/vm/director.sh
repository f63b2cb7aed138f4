#!/bin/sh
# First process of a director's machine; its root is the host's, read-only. Makes a root that can be installed into and a
# card, then does what the host says at the control port: a line of base64 in, "STATUS base64 of the output" out. When the
# host hangs up, the machine goes off.
if [ "${1-}" = control ]; then
  # its first number is the card's place in the machine
  until port=$(ls /dev/vport*p1 2>/dev/null); do sleep 0.1; done
  exec 3<>"$port"
  echo 'ready -' >&3
  while read -r line <&3; do
    command=$(printf %s "$line" | base64 -d)
    sh -c "$command" >/tmp/output 2>&1 </dev/null 3>&-
    printf '%s %s\n' "$?" "$(base64 -w0 /tmp/output)" >&3
  done
  /bin/busybox poweroff -f
fi
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs -o size=75% none /run
mkdir -p /run/upper /run/work /run/root
mount -t overlay overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work /run/root
root=/run/root
mount -t tmpfs none $root/run
mount -t tmpfs none $root/tmp
for part in proc sys dev; do mount --bind /$part $root/$part; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out $root/mnt
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro repo $root/srv
for word in $(cat /proc/cmdline); do
  case $word in
    weir.address=*) address=${word#weir.address=} ;;
    weir.software=*) software=${word#weir.software=} ;;
  esac
done
# Weir in few files, where the topology says it is: an emulated core reads a thousand slowly
mkdir -p "$root$software"
mount --bind $root/mnt/weir "$root$software"
ip link set lo up
ip address add "$address" dev eth0
ip link set eth0 up
export HOME=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec chroot $root /bin/sh /srv/test/ha/vm/director.sh control
