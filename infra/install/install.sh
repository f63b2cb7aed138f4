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
# Prints one line per change and at the end "changed: N". Exit status: 0 done, 1 failed, 2 wrong arguments.
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
state=$root/var/lib/weir/infra
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
if [ -n "$missing" ]; then
  for name in $missing; do echo "install.sh: secret $name is missing: $(entries secret | sed -n "s/^$name //p")" >&2; done
  [ -n "$dry" ] || fail "give them with --secrets FILE, or put them as NAME=value lines into $store"
fi
if ! cmp -s "$work/kept" "$store" && [ -s "$work/kept" ]; then
  change "+ secrets $store"
  if [ -z "$dry" ]; then
    mkdir -p "$root/etc/weir"
    (umask 077 && cp "$work/kept" "$store.new" && mv "$store.new" "$store")
  fi
fi

# 2. Packages, all at once.
in_root() {
  if [ -n "$root" ]; then chroot "$root" "$@"; else "$@"; fi
}
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

# 4. Files: secrets filled in, written beside and renamed, so that no program ever reads half of one.
while IFS='=' read -r name value; do
  echo "s/@secret:$name@/$value/g"
done <"$work/kept" >"$work/fill"
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
  [ -z "$verb" ] || echo "$verb $unit" >>"$work/reactions"
  [ -n "$dry" ] && continue
  [ -d "${target%/*}" ] || mkdir -p "${target%/*}"
  install -m "$mode" "$work/file" "$target.weir-new"
  [ "$owner" = root:root ] || in_root chown "$owner" "$path.weir-new"
  mv "$target.weir-new" "$target"
done
[ ! -f "$work/changed" ] || changes=$((changes + $(wc -l <"$work/changed")))

# 5. What an earlier run installed and this topology no longer has.
now() {
  entries file | cut -d' ' -f3
}
if [ -f "$state/files" ]; then
  now >"$work/now"
  grep -vxFf "$work/now" "$state/files" >"$work/gone" || true
  while read -r path; do
    [ -e "$root$path" ] || continue
    change "- file $path"
    [ -n "$dry" ] || rm -f "$root$path"
  done <"$work/gone"
fi
gone_units=''
if [ -f "$state/units" ]; then
  entries unit >"$work/units"
  gone_units=$(grep -vxFf "$work/units" "$state/units" || true)
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
  esac
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
  rm -rf "$root$path.old"
  [ ! -e "$root$path" ] || mv "$root$path" "$root$path.old"
  mv "$root$path.new" "$root$path"
  for name in edge origin ingest agent; do
    if grep -q "^unit weir-$name.service" "$manifest"; then echo "restart weir-$name.service" >>"$work/reactions"; fi
  done
done
[ ! -f "$work/software" ] || changes=$((changes + 1))

# 7. Units: taken away, reacting to changed files (restart covers reload), started in order.
control() {
  if [ -n "$dry" ]; then return; fi
  systemctl "$@" || fail "systemctl $* failed; see journalctl -u ${2:-}"
}
for unit in $gone_units; do
  change "- unit $unit"
  [ -z "$start" ] || control disable --now "$unit"
done
if [ -n "$start" ]; then
  if grep -q '^change' "$work/changed" 2>/dev/null; then control daemon-reload; fi
  sort -u "$work/reactions" >"$work/sorted"
  while read -r verb unit; do
    if [ "$verb" = reload ] && grep -qx "restart $unit" "$work/sorted"; then continue; fi
    # not running yet: started below, with the new file
    systemctl is-active --quiet "$unit" || continue
    echo "! $verb $unit"
    control "$verb" "$unit"
  done <"$work/sorted"
  for unit in $(entries unit); do
    if systemctl is-enabled --quiet "$unit" 2>/dev/null && systemctl is-active --quiet "$unit"; then continue; fi
    change "! start $unit"
    control enable --now "$unit"
  done
elif [ -n "$root" ]; then
  for unit in $(entries unit); do
    link=$root/etc/systemd/system/multi-user.target.wants/$unit
    [ ! -L "$link" ] || continue
    [ -f "$root/etc/systemd/system/$unit" ] || [ -f "$root/lib/systemd/system/$unit" ] || continue
    change "+ enable $unit"
    if [ -z "$dry" ]; then
      mkdir -p "$(dirname "$link")"
      if [ -f "$root/etc/systemd/system/$unit" ]; then ln -s "/etc/systemd/system/$unit" "$link"; else ln -s "/lib/systemd/system/$unit" "$link"; fi
    fi
  done
fi

if [ -z "$dry" ]; then
  mkdir -p "$state"
  now >"$state/files"
  entries unit >"$state/units"
fi
echo "changed: $changes"
