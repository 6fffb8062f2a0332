#!/usr/bin/env bash
# Unpacks Debian packages of any architecture below a folder, as this machine's sources offer them, without touching this
# machine's own packages: apt gets lists, status and cache of its own. Needs no root.
#
#   debs.sh [--only REGEX] ARCH DIR PACKAGE...   the packages with all that they depend on; --only: of these, what matches
#
# DIR is a root file system afterwards, with a dpkg database that says which package a file is of.
set -eu
only=.
[ "$1" = --only ] && { only=$2; shift 2; }
arch=$1 dir=$2
shift 2
new=$dir.new
rm -rf "$new"
apt=$new/.apt info=$new/var/lib/dpkg/info
mkdir -p "$apt"/{lists,archives}/partial "$info"
: >"$new/var/lib/dpkg/status"
echo 1 >"$info/format" # names of lists have the architecture
options=(-qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Install-Recommends=0
    -o Dir::State="$apt" -o Dir::State::lists="$PWD/$apt/lists" -o Dir::State::status="$PWD/$new/var/lib/dpkg/status"
    -o Dir::Cache="$apt" -o Dir::Cache::archives="$PWD/$apt/archives" -o APT::Sandbox::User=root
    -o Acquire::Languages=none -o Acquire::Retries=3 -o Debug::NoLocking=1)
case $dir in /*) options=("${options[@]//"$PWD/$dir"/"$dir"}") ;; esac
apt-get "${options[@]}" update
names=$(apt-get "${options[@]}" -s install "$@" | awk '/^Inst/ {print $2}' | sed 's/:.*//' | grep -E -- "$only")
# shellcheck disable=SC2086
(cd "$apt/archives" && apt-get "${options[@]}" download $names)
for deb in "$apt"/archives/*.deb; do
    dpkg-deb -x "$deb" "$new"
    dpkg-deb -f "$deb" Package Version Architecture Multi-Arch Maintainer Description | sed '1a Status: install ok installed' >>"$new/var/lib/dpkg/status"
    echo >>"$new/var/lib/dpkg/status"
    name=$(dpkg-deb -f "$deb" Package)
    [ "$(dpkg-deb -f "$deb" Multi-Arch)" = same ] && name=$name:$arch
    dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's,^\.,,; s,/$,,; s,^$,/.,' >"$info/$name.list"
done
rm -rf "$apt"
rm -rf "$dir"
mv "$new" "$dir"
