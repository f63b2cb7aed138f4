#!/bin/sh
# Puts everything in this folder onto this machine: packages, users, files, units. Nothing is changed twice: a second
# run changes nothing. Works by hand, from cloud-init and from Ansible. Needs root (not for --dry-run).
#
#   ./install.sh [--dry-run] [--secrets FILE] [--root DIR] [--no-packages] [--no-start]
#
#   --dry-run       show every change, make none
#   --secrets FILE  take this machine's secrets from FILE (NAME=value lines) and keep them in /etc/weir/secrets.env
#   --root DIR      install into DIR (an image or a chroot) instead of /; starts nothing
#   --no-packages   leave packages alone
#   --no-start      start, stop and reload nothing
#
# Prints one line per change and at the end "changed: N". Exit status: 0 done, 1 failed, 2 wrong arguments. A unit that waits
# for another machine is no failure: it is named, and systemd goes on trying.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root='' dry='' secrets='' packages=yes start=yes changes=0
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=yes ;;
    --secrets) secrets=${2:?--secrets needs a file} && shift ;;
    --root) root=${2:?--root needs a folder} && shift && start='' ;;
    --no-packages) packages='' ;;
    --no-start) start='' ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    *) echo "install.sh: unknown argument $1; see install.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
manifest=$here/manifest
# not below /var/lib/weir: that is the user weir's, and what stands here root believes
state=$root/var/lib/weir-install
store=$root/etc/weir/secrets.env
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/reactions"

fail() {
  echo "install.sh: $*" >&2
  exit 1
}
change() {
  changes=$((changes + 1))
  echo "$*"
}
# Lines of the manifest of one kind, without the kind.
entries() {
  sed -n "s/^$1 //p" "$manifest"
}
[ -r "$manifest" ] || fail "$manifest is missing: run the script in the folder that weir infra render made"
[ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail 'needs root; --dry-run does not'

# 1. Secrets: those given are kept (only what this machine needs), all that are needed must be there.
known=$work/secrets
: >"$known"
[ ! -r "$store" ] || cat "$store" >"$known"
[ -z "$secrets" ] || [ -r "$secrets" ] || fail "cannot read $secrets"
secret() {
  value=''
  [ -z "$secrets" ] || value=$(sed -n "s/^$1=//p" "$secrets" | tail -n 1)
  [ -n "$value" ] || value=$(sed -n "s/^$1=//p" "$known" | tail -n 1)
  printf '%s' "$value"
}
: >"$work/kept"
missing=''
for name in $(entries secret | cut -d' ' -f1); do
  value=$(secret "$name")
  case $value in
    '') missing="$missing $name" ;;
    *[!A-Za-z0-9_.~-]*) fail "secret $name may hold letters, digits and _ . ~ - only" ;;
    *) printf '%s=%s\n' "$name" "$value" >>"$work/kept" ;;
  esac
done
for name in $missing; do echo "install.sh: secret $name is missing: $(entries secret | sed -n "s/^$name //p")" >&2; done
absent=''
entries needs >"$work/needs"
while read -r path _ purpose; do
  [ -e "$root$path" ] && continue
  absent="$absent $path"
  echo "install.sh: $path is missing: $purpose; put it there" >&2
done <"$work/needs"
if [ -n "$missing" ] && [ -z "$dry" ]; then
  fail "give the secrets with --secrets FILE, or put them as NAME=value lines into $store"
fi
[ -z "$absent" ] || [ -n "$dry" ] || fail "nothing was changed: without$absent its services would not start"
if ! cmp -s "$work/kept" "$store" && [ -s "$work/kept" ]; then
  change "+ secrets $store"
  if [ -z "$dry" ]; then
    mkdir -p "$root/etc/weir"
    (umask 077 && cp "$work/kept" "$store.new" && mv "$store.new" "$store")
  fi
fi

# 2. Packages, all at once; before them their own units that would take the place of ours, which else are started at once.
in_root() {
  if [ -n "$root" ]; then chroot "$root" "$@"; else "$@"; fi
}
# Tells systemd; a unit that does not come up stops nothing else: what it waits for may be another machine.
failed=''
control() {
  [ -z "$dry" ] || return 0
  systemctl "$@" || failed="$failed, systemctl $*"
}
units=$root/etc/systemd/system
for unit in $(entries masked); do
  [ "$(readlink "$units/$unit")" != /dev/null ] || continue
  change "- unit $unit, for good"
  if [ -n "$start" ]; then
    control mask "$unit"
    [ -n "$dry" ] || systemctl stop "$unit" 2>/dev/null || true
    [ -n "$dry" ] || systemctl reset-failed "$unit" 2>/dev/null || true
  elif [ -z "$dry" ]; then
    mkdir -p "$units" && ln -sfn /dev/null "$units/$unit"
  fi
done
if [ -n "$packages" ]; then
  lacking=''
  for name in $(entries package); do
    in_root dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || lacking="$lacking $name"
  done
  if [ -n "$lacking" ]; then
    change "+ packages$lacking"
    if [ -z "$dry" ]; then
      # shellcheck disable=SC2086 # a list
      in_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install $lacking >"$work/apt" 2>&1 ||
        { in_root apt-get -q update >"$work/apt" 2>&1 &&
          in_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $lacking >"$work/apt" 2>&1; } ||
        { cat "$work/apt" >&2 && fail "could not install$lacking"; }
    fi
  fi
fi

# 3. Users and folders.
entries user | while read -r name home; do
  grep -q "^$name:" "$root/etc/passwd" && continue
  echo "+ user $name"
  [ -n "$dry" ] || in_root useradd --system --user-group --home-dir "$home" --shell /usr/sbin/nologin "$name"
done >"$work/users"
entries folder | while read -r path mode owner; do
  if [ -d "$root$path" ] && [ "$(in_root stat -c '%a %U:%G' "$path")" = "${mode#0} $owner" ]; then continue; fi
  echo "+ folder $path"
  [ -n "$dry" ] && continue
  mkdir -p "$root$path"
  in_root chown "$owner" "$path"
  chmod "$mode" "$root$path"
done >"$work/folders"
cat "$work/users" "$work/folders"
changes=$((changes + $(cat "$work/users" "$work/folders" | wc -l)))

# Keys that others put there: for one group alone, which may not have been there before.
while read -r path group _; do
  if [ "$group" = - ] || [ ! -e "$root$path" ]; then continue; fi
  [ "$(in_root stat -c '%a %U:%G' "$path")" != "640 root:$group" ] || continue
  change "~ $path for $group"
  [ -z "$dry" ] || continue
  in_root chown "root:$group" "$path"
  chmod 0640 "$root$path"
done <"$work/needs"

# 4. Files: secrets filled in, written beside and renamed, so that no program ever reads half of one.
while IFS='=' read -r name value; do
  echo "s/@secret:$name@/$value/g"
done <"$work/kept" >"$work/fill"
pending=$state/pending
[ -n "$dry" ] || mkdir -p "$state"
if [ -n "$start" ] && [ -s "$pending" ]; then
  change '! what an earlier run that did not end has left to do'
  cat "$pending" >>"$work/reactions"
fi
entries file | while read -r mode owner path verb unit; do
  target=$root$path
  sed -f "$work/fill" "$here/files$path" >"$work/file"
  have=''
  [ -f "$target" ] && have=$(in_root stat -c '%a %U:%G' "$path")
  if [ "$have" = "${mode#0} $owner" ] && cmp -s "$work/file" "$target"; then continue; fi
  if [ -z "$have" ]; then
    echo "+ file $path"
  else
    echo "~ file $path"
    # what is secret stays off the screen
    if [ -n "$dry" ] && [ "$mode" != 0640 ]; then diff -u "$target" "$work/file" | sed '1,2d;s/^/    /' || true; fi
  fi
  echo change >>"$work/changed"
  echo "${verb:-reload} ${unit:-}" >>"$work/reactions"
  [ -n "$dry" ] && continue
  # kept until it is done: a run that ends here leaves it to the next, which finds the file as it should be
  echo "${verb:-reload} ${unit:-}" >>"$pending"
  [ -d "${target%/*}" ] || mkdir -p "${target%/*}"
  install -m "$mode" "$work/file" "$target.weir-new"
  [ "$owner" = root:root ] || in_root chown "$owner" "$path.weir-new"
  mv "$target.weir-new" "$target"
done
[ ! -f "$work/changed" ] || changes=$((changes + $(wc -l <"$work/changed")))

# 5. What an earlier run installed and this topology no longer has: units are stopped while their files still say how.
if [ -f "$state/units" ]; then
  entries unit >"$work/units"
  for unit in $(grep -vxFf "$work/units" "$state/units" || true); do
    change "- unit $unit"
    if [ -n "$start" ]; then
      control disable --now "$unit"
    elif [ -z "$dry" ]; then
      rm -f "$units/multi-user.target.wants/$unit"
    fi
  done
fi
now() {
  entries file | cut -d' ' -f3
}
if [ -f "$state/files" ]; then
  now >"$work/now"
  for path in $(grep -vxFf "$work/now" "$state/files" || true); do
    [ -e "$root$path" ] || continue
    change "- file $path"
    [ -n "$dry" ] && continue
    echo reload >>"$pending"
    rm -f "$root$path"
  done
fi

# 6. Weir itself.
entries software | while read -r path archive sum; do
  [ -n "$archive" ] || continue
  [ "$(cat "$root$path/.installed" 2>/dev/null)" = "$archive $sum" ] && continue
  echo "~ software $path from $archive"
  echo change >>"$work/software"
  [ -n "$dry" ] && continue
  case $archive in
    http://* | https://*) curl -fsSL -o "$work/archive" "$archive" ;;
    *) cp "$archive" "$work/archive" ;;
  esac || fail "cannot fetch $archive"
  if [ -n "$sum" ]; then
    echo "$sum  $work/archive" | sha256sum -c --quiet >/dev/null 2>&1 || fail "$archive has not the checksum $sum"
  fi
  rm -rf "$root$path.new"
  mkdir -p "$root$path.new"
  tar -xzf "$work/archive" -C "$root$path.new" --no-same-owner
  if [ -f "$root$path.new/package-lock.json" ] && [ ! -d "$root$path.new/node_modules" ]; then
    in_root sh -c "cd $path.new && npm install --omit=dev --ignore-scripts --no-audit --no-fund" >"$work/npm" 2>&1 || { cat "$work/npm" >&2 && fail 'npm install failed'; }
  fi
  echo "$archive $sum" >"$root$path.new/.installed"
  for name in edge origin ingest agent; do
    if grep -q "^unit weir-$name.service" "$manifest"; then echo "restart weir-$name.service" | tee -a "$work/reactions" >>"$pending"; fi
  done
  rm -rf "$root$path.old"
  [ ! -e "$root$path" ] || mv "$root$path" "$root$path.old"
  mv "$root$path.new" "$root$path"
done
[ ! -f "$work/software" ] || changes=$((changes + 1))

# 7. Units: reacting to changed files (restart covers reload), started in order. A start that fails is tried again by
# systemd: whether a unit runs is asked once more at the end.
: >"$work/again"
if [ -n "$start" ]; then
  if [ -s "$work/reactions" ] || [ -s "$pending" ]; then control daemon-reload; fi
  sort -u "$work/reactions" >"$work/sorted"
  while read -r verb unit; do
    [ -n "$unit" ] || continue
    if [ "$verb" = reload ] && grep -qx "restart $unit" "$work/sorted"; then continue; fi
    # not running yet: started below, with the new file
    systemctl is-active --quiet "$unit" || continue
    echo "! $verb $unit"
    [ -z "$dry" ] || continue
    echo acted >"$work/acted"
    systemctl "$verb" "$unit" && continue
    [ "$verb" = restart ] || echo "$verb $unit" >>"$work/again"
  done <"$work/sorted"
  for unit in $(entries unit); do
    if systemctl is-enabled --quiet "$unit" 2>/dev/null; then
      case $(systemctl is-active "$unit" || true) in active | activating | deactivating | reloading) continue ;; esac
    fi
    change "! start $unit"
    [ -z "$dry" ] || continue
    echo acted >"$work/acted"
    control enable "$unit"
    systemctl start "$unit" || true
  done
  # a program that ends at once shows it within a second
  [ ! -f "$work/acted" ] || sleep 1
  for unit in $(entries unit); do
    [ -z "$dry" ] || continue
    case $(systemctl is-active "$unit" || true) in
      active | reloading) ;;
      activating | deactivating) echo "? $unit does not run yet, systemd goes on trying: journalctl -u $unit" ;;
      *) failed="$failed, $unit is down (journalctl -u $unit)" ;;
    esac
  done
elif [ -n "$root" ]; then
  for unit in $(entries unit); do
    link=$units/multi-user.target.wants/$unit
    [ ! -L "$link" ] || continue
    [ -f "$units/$unit" ] || [ -f "$root/lib/systemd/system/$unit" ] || continue
    change "+ enable $unit"
    if [ -z "$dry" ]; then
      mkdir -p "$(dirname "$link")"
      if [ -f "$units/$unit" ]; then ln -s "/etc/systemd/system/$unit" "$link"; else ln -s "/lib/systemd/system/$unit" "$link"; fi
    fi
  done
fi

if [ -z "$dry" ]; then
  now >"$state/files"
  entries unit >"$state/units"
  if [ -s "$work/again" ]; then
    cp "$work/again" "$pending"
    failed="$failed, $(tr '\n' ',' <"$work/again")"
  elif [ -n "$start$root" ]; then rm -f "$pending"; fi
fi
echo "changed: $changes"
[ -z "$failed" ] || fail "not all is well: ${failed#, }"
