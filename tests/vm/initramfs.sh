#!/usr/bin/env bash
# initramfs.sh KERNEL OUT   the guests' first root: busybox, tests/vm/init, and of the kernel package below KERNEL the modules
# that a guest may ask for.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$(ls "$1/lib/modules")
from=$1/lib/modules/$version
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
to=$root/lib/modules/$version
mkdir -p "$root"/{bin,sbin,dev,proc,sys,host,root,tmp} "$to/kernel"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in sh modprobe; do ln -s /bin/busybox "$root/bin/$name"; done
ln -s /bin/busybox "$root/sbin/modprobe" # where the kernel looks
cp "$here/init" "$root/init"
for part in net/{core,netfilter,ipv4,ipv6,tls} fs/{fuse,overlayfs} drivers/{virtio,char/hw_random} drivers/net/{virtio_net,net_failover}.ko lib crypto; do
    [ -e "$from/kernel/$part" ] || continue
    mkdir -p "$to/kernel/$(dirname "$part")"
    cp -r "$from/kernel/$part" "$to/kernel/$part"
done
cp "$from"/modules.{builtin,order} "$to/"
busybox depmod -b "$root" "$version"
(cd "$root" && find . | LC_ALL=C sort | busybox cpio -o -H newc 2>/dev/null) >"$2.new"
mv "$2.new" "$2"
