#!/usr/bin/env bash
# make install and uninstall; the Debian package installed, upgraded, removed and purged on a copy of this machine's root.
set -u
cd "$(dirname "$0")/../.." || exit 1
TOP=$PWD
BUILD=${BUILD:-$TOP/build}
T=$(mktemp -d /tmp/egress-install.XXXXXX)
trap 'umount -R -l "$T/root" "$T/up" 2>/dev/null; rm -rf "$T"' EXIT
FAILED=0
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0) # one for both packages
export SOURCE_DATE_EPOCH
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then echo "ok $name"; else echo "not ok $name: $out" | head -n 20; FAILED=1; fi
}
run_make() { make --no-print-directory -s -C "$TOP" BUILD="$BUILD" "$@"; }

# -- make install --
installs() { run_make install DESTDIR="$T/dest" PREFIX=/opt/egress; }
listed() { # every program, page, completion and example that the tree has
    local f
    for f in bin/egressctl sbin/egressd sbin/egress-init share/man/man1/egressctl.1 share/man/man5/egress-policy.5 share/man/man8/egressd.8 \
        share/man/man8/egress-init.8 share/bash-completion/completions/egress{ctl,d,-init} share/zsh/site-functions/_egressctl \
        share/doc/egressd/examples/kubernetes/agent.yaml share/doc/egressd/clients.md share/doc/egressd/examples/agent/Containerfile; do
        [ -e "$T/dest/opt/egress/$f" ] || { echo "no $f"; return 1; }
    done
}
# egressctl finds the others beside itself, whatever PATH is
finds_own() { env -i PATH=/usr/bin:/bin "$T/dest/opt/egress/bin/egressctl" doctor | tee "$T/doctor" | grep -E '^[^ ]* *egressd|egress-init' | grep -q . && ! grep -q 'install egress' "$T/doctor"; }
uninstalls() { run_make uninstall DESTDIR="$T/dest" PREFIX=/opt/egress && [ -z "$(find "$T/dest" ! -type d)" ] && [ ! -e "$T/dest/opt/egress/share/doc/egressd" ]; }
check "make install" installs
check "... programs, pages, completions, examples" listed
check "... programs find each other" finds_own
check "make uninstall leaves nothing" uninstalls

# -- the package --
builds() { run_make deb && cp "$BUILD"/egressd_*.deb "$T/one.deb"; }
again() { run_make deb && cmp "$BUILD"/egressd_*.deb "$T/one.deb"; }
next_version() { dpkg-deb -R "$T/one.deb" "$T/next" && sed -i 's/^Version: .*/Version: 99.0/' "$T/next/DEBIAN/control" && dpkg-deb --root-owner-group -b "$T/next" "$T/two.deb"; }
clean() { local out; out=$(lintian --fail-on error,warning "$T/one.deb" 2>&1 | grep -v 'root privileges'); [ -z "$out" ] || { echo "$out"; return 1; }; }
check "make deb" builds
check "... the same octets again" again
check "... lintian has nothing to say" clean
check "... the next version of it" next_version

# The machine's own root with a layer on top: what dpkg does stays in the layer, where it can be listed.
mkdir "$T/up" "$T/work" "$T/root"
ROOT=$T/root
mount -t tmpfs layer "$T/up" && mkdir "$T/up/up" "$T/up/work" && mount -t overlay -o "lowerdir=/,upperdir=$T/up/up,workdir=$T/up/work" overlay "$ROOT" &&
    mount -t tmpfs run "$ROOT/run" && mount -t proc proc "$ROOT/proc" && mount --bind /dev "$ROOT/dev" || { echo "not ok a copy of the root"; exit 1; }
cp "$T/one.deb" "$T/two.deb" "$ROOT/run/"
inside() { chroot "$ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
# what the layer has beyond dpkg's own books and caches that others keep; its character devices are deletions
left() { (cd "$T/up/up" && find . ! -type d ! -type c | grep -vE '^\./(var/lib/dpkg|var/cache|var/log|etc/ld\.so\.cache)') | sort; }
works() {
    inside egressctl --version | grep -q . && inside egressd --version | grep -q . && inside egress-init --help | grep -q gateway &&
        inside man -w egressctl 2>/dev/null | grep -q man1/egressctl || { [ -e "$ROOT/usr/share/man/man1/egressctl.1.gz" ]; }
}
check "dpkg -i, with its dependencies there" inside dpkg -i /run/one.deb
check "... and it runs" works
check "... every file is as it was packed" inside dpkg --verify egressd
rm -rf "$ROOT/var/lib/egressd" # the machine's own logs, of which this copy is to know nothing
mkdir -p "$ROOT/var/lib/egressd/last" && echo line >"$ROOT/var/lib/egressd/last/audit.jsonl"
check "upgrade" inside dpkg -i /run/two.deb
check "... keeps the audit logs" [ -e "$ROOT/var/lib/egressd/last/audit.jsonl" ]
check "remove" inside dpkg -r egressd
only_logs() { [ "$(left)" = ./var/lib/egressd/last/audit.jsonl ] || { left; return 1; }; }
check "... leaves the audit logs and nothing else" only_logs
check "purge" inside dpkg -P egressd
nothing() { [ -z "$(left)" ] && [ ! -e "$ROOT/var/lib/egressd" ] || { left; return 1; }; }
check "... leaves nothing" nothing
exit $FAILED
