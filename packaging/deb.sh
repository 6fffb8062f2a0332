#!/usr/bin/env bash
# deb.sh VERSION ARCH BUILD   writes BUILD/egressd_VERSION_ARCH.deb from what `make install` installs. No debhelper: there is one
# package, and its parts are a control file, two scripts and compressed pages. The same tree gives the same octets.
set -eu
version=$1 arch=$2
maintainer=${DEB_MAINTAINER:-egressd authors <egressd@localhost>}
build=$(cd "$3" && pwd)
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
umask 022

"$MAKE" --no-print-directory -s -C "$top" BUILD="$build" DESTDIR="$root" PREFIX=/usr install
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/egressctl" "$root/usr/libexec/egressd/egressd"
find "$root/usr/share/man" -type f -exec gzip -9n {} +
doc=$root/usr/share/doc/egressd
cp "$top/packaging/copyright" "$doc/copyright"
rm "$doc/LICENSE" # its text is in copyright
for part in node-llhttp musl; do cp "/usr/share/doc/$part/copyright" "$doc/copyright.$part"; done # compiled in
{
    printf 'egressd (%s) stable; urgency=medium\n\n  * What is new is in CHANGELOG.md.\n\n' "$version"
    printf ' -- %s  %s\n' "$maintainer" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.gz"
install -D -m 644 "$top/packaging/lintian-overrides" "$root/usr/share/lintian/overrides/egressd"

# Which packages have the libraries; dpkg-shlibdeps wants a source tree round it.
mkdir -p "$work/source/debian" "$root/DEBIAN"
printf 'Source: egressd\n\nPackage: egressd\nArchitecture: any\n' >"$work/source/debian/control"
depends=$(cd "$work/source" && dpkg-shlibdeps -O "$root/usr/bin/egressctl" "$root/usr/libexec/egressd/egressd" | sed 's/^shlibs:Depends=//')

sed -e "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@DEPENDS@/$depends/; s/@MAINTAINER@/$maintainer/" \
    -e "s/@SIZE@/$(du -sk --exclude=DEBIAN --apparent-size "$root" | cut -f1)/" "$top/packaging/control.in" >"$root/DEBIAN/control"
install -m 755 "$top/packaging/prerm" "$top/packaging/postrm" "$root/DEBIAN/"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
dpkg-deb --root-owner-group -Zxz -z1 --build "$root" "$build/egressd_${version}_$arch.deb" >/dev/null
