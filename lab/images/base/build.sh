#!/bin/bash
# Makes the root file system that every image of the lab stands on: a minimal Debian from this machine's own mirror.
# Usage: build.sh TARGET RELEASE MIRROR SETTINGS
#   TARGET    a directory that does not exist yet
#   SETTINGS  a directory with sources.list, apt.conf and authorities/*.crt (see lab/machine-apt.ts)
set -euo pipefail
target=$1 release=$2 mirror=$3 settings=$4
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

debootstrap --variant=minbase --include=ca-certificates "$release" "$target" "$mirror"

install -m 644 "$settings/sources.list" "$target/etc/apt/sources.list"
install -m 644 "$settings/apt.conf" "$target/etc/apt/apt.conf.d/90im-lab-machine"
install -m 755 -d "$target/usr/local/share/ca-certificates"
for authority in "$settings"/authorities/*.crt; do
  [ -e "$authority" ] || continue
  install -m 644 "$authority" "$target/usr/local/share/ca-certificates/"
done
chroot "$target" update-ca-certificates

# Documentation and translations are two thirds of a small image. Copyright notices stay.
cat >"$target/etc/dpkg/dpkg.cfg.d/im-lab-slim" <<'SLIM'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
SLIM
find "$target/usr/share/doc" ! -type d ! -name copyright -delete
rm -rf "$target"/usr/share/{man,info,locale}/* "$target"/var/cache/apt/*.bin "$target"/var/lib/apt/lists/*
rm -f "$target"/var/cache/apt/archives/*.deb "$target"/var/log/{bootstrap,dpkg,alternatives}.log
# The machine's own resolver and name must not be baked in; docker writes both.
: >"$target/etc/resolv.conf"
: >"$target/etc/hostname"
: >"$target/etc/machine-id"
