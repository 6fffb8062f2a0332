#!/usr/bin/env bash
# The images of both architectures: the same octets each time, small, nothing in them that is not needed, loadable by all
# who should. What is not this machine's own runs emulated, as far as that goes: from nothing but the image's files.
. "$(dirname "$0")/lib.sh"
[ "$(uname -m)" = x86_64 ] || { skip image "arm64 is cross-built on amd64 only"; exit 0; }
command -v qemu-aarch64-static >/dev/null || { skip image "needs qemu-user-static"; exit 0; }
T=$(mktemp -d /tmp/egress-test.XXXXXX)
trap 'rm -rf "$T"' EXIT
began=$SECONDS
if ! make -j2 -C "$TOP" BUILD="$BUILD" image >"$T/make.log" 2>&1; then not_ok "make image" "$(tail -20 "$T/make.log")"; exit 1; fi
echo "# both architectures: $((SECONDS - began)) s"
image() { echo "$BUILD/image/egressd-$1-$2"; }

# again KIND ARCH   the octets are the same from the same inputs, wherever they are written
again() {
    local d from=$BUILD more=()
    [ "$2" = arm64 ] && from=$BUILD/arm64 more=(--sysroot "$BUILD/arm64/sysroot" --strip aarch64-linux-gnu-strip)
    for d in one two; do
        python3 "$TOP/rootfs/image.py" "$1" --arch "$2" --version 0.1.0 --build "$from" --out "$T/$d" "${more[@]}" >/dev/null || return 1
    done
    for d in oci.tar spdx.json id; do cmp "$T/one/egressd-$1-$2.$d" "$T/two/egressd-$1-$2.$d" || return 1; done
}

# contents KIND ARCH   the layout, the names that runtimes look for, and what is in the layer, left in $T/KIND-ARCH
contents() {
    python3 - "$(image "$1" "$2")" "$1" "$2" "$T/$1-$2" <<'PY'
import hashlib, io, json, sys, tarfile
base, kind, arch, to = sys.argv[1:]
outer = tarfile.open(base + ".oci.tar")
assert all(m.isfile() or m.isdir() for m in outer), "more than files and folders"
blobs = {m.name: outer.extractfile(m).read() for m in outer if m.isfile()}
for name, octets in blobs.items():
    assert not name.startswith("blobs/") or name == "blobs/sha256/" + hashlib.sha256(octets).hexdigest(), name
read = lambda d: blobs["blobs/sha256/" + d["digest"][7:]]
assert json.loads(blobs["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
(entry,) = json.loads(blobs["index.json"])["manifests"]
reference = f"localhost/egressd/{kind}:0.1.0"
for key in ("com.apple.containerization.image.name", "io.containerd.image.name", "org.opencontainers.image.ref.name"):
    assert entry["annotations"][key] == reference, key
platform = {"architecture": arch, "os": "linux", **({"variant": "v8"} if arch == "arm64" else {})}
assert entry["platform"] == platform, entry["platform"]
manifest = json.loads(read(entry))
config = json.loads(read(manifest["config"]))
assert {k: config[k] for k in platform} == platform
assert manifest["config"]["digest"][7:] in open(base + ".id").read().replace("sha256:", "").split()
octets = b"".join(read(layer) for layer in manifest["layers"])
layer = tarfile.open(fileobj=io.BytesIO(octets))
names = [m.name for m in layer]
assert all(m.isfile() or m.isdir() or m.issym() for m in layer), "hard links or devices"
assert not [m.name for m in layer if m.isfile() and m.mode & 0o6022], "set-id or writable by others"
assert not [n for n in names if n.rsplit("/")[-1] in ("sh", "bash", "dash", "busybox", "ash", "perl", "python3")], names
for m in layer:
    head = layer.extractfile(m).read(20) if m.isfile() else b""
    assert head[:4] != b"\x7fELF" or head[18:20] == {"amd64": b"\x3e\0", "arm64": b"\xb7\0"}[arch], m.name
sbom = json.load(open(base + ".spdx.json"))
assert {f["fileName"].lstrip("/") for f in sbom["files"]} == {m.name for m in layer if m.isfile()}
purls = [r["referenceLocator"] for p in sbom["packages"] for r in p["externalRefs"]]
assert all(p.startswith("pkg:generic/egressd@") or p.endswith("arch=" + arch) for p in purls), purls
assert kind == "init" or len(purls) > 20
layer.extractall(to)
PY
}
for arch in amd64 arm64; do
    for kind in sidecar init; do
        check "$kind, $arch: the same twice" again $kind $arch
        check "$kind, $arch: names, platform, no shell, no hard link, every file in the SBOM" contents $kind $arch
    done
    check "sidecar, $arch: under 15 MiB" test "$(stat -c %s "$(image sidecar $arch).oci.tar")" -lt 15728640
done

# inside ARCH COMMAND...   with the image as the whole file system, in namespaces of its own
inside() {
    local arch=$1
    shift
    [ "$arch" = amd64 ] || set -- /run/qemu "$@"
    unshare -n -- chroot "$T/sidecar-$arch" "$@"
}
cp "$(command -v qemu-aarch64-static)" "$T/sidecar-arm64/run/qemu"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: "*.wild.test"
      matches: [{paths: [{type: regex, value: "/a[0-9]+/.*"}], methods: [GET]}]
    - host: db.test
      protocol: tcp
      ports: [5432]
YAML
sed 's/origin/origin: /' "$T/policy.yaml" >"$T/bad.yaml"
for arch in amd64 arm64; do
    cp "$T"/*.yaml "$T/sidecar-$arch/run/"
    inside $arch /usr/sbin/egressd check --policy /run/policy.yaml >"$T/check.$arch" 2>&1
    inside $arch /usr/sbin/egressd check --policy /run/bad.yaml >"$T/bad.$arch" 2>&1
    echo $? >>"$T/bad.$arch"
    inside $arch /usr/sbin/egressd ruleset --policy /run/policy.yaml >"$T/ruleset.$arch" 2>&1
done
inside arm64 /usr/sbin/egressd doctor >"$T/doctor" 2>&1
inside arm64 /lib/ld-linux-aarch64.so.1 --list /usr/sbin/nft >"$T/nft" 2>&1
check "arm64: egressd --version" grep -qx 'egressd 0.1.0' <(inside arm64 /usr/sbin/egressd --version)
# nft wants netfilter before anything else, so only that it loads.
check "arm64: nft has its libraries" bash -c "! grep 'not found' '$T/nft' && grep -q 'libnftables.so.1 => /usr/lib/aarch64' '$T/nft'"
check "arm64: egress-init --version" grep -q '0.1.0' <(qemu-aarch64-static "$T/init-arm64/egress-init" --version)
check "arm64: a policy means the same" cmp "$T/check.amd64" "$T/check.arm64"
check "arm64: ...and is not empty" grep -q 'origin.test' "$T/check.arm64"
check "arm64: a bad policy is as bad" cmp "$T/bad.amd64" "$T/bad.arm64"
check "arm64: ...with its place" grep -qE '^/run/bad.yaml:[0-9]+:[0-9]+: ' "$T/bad.arm64"
check "arm64: rules" grep -q 'chain screen' "$T/ruleset.arm64"
# An emulated process has this machine's kernel and no netfilter sockets: doctor says so and what that means.
check "arm64: doctor" bash -c "grep -q '^egressd doctor: .* aarch64\$' '$T/doctor' && grep -q 'nft program  *yes' '$T/doctor' && grep -q 'Something needed is missing' '$T/doctor'"
exit $FAILED
