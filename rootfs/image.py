#!/usr/bin/env python3
"""Writes an image from nothing: an OCI layout in a tar, which podman, docker and Apple's container load, and its
SBOM. The same inputs give the same octets: names are sorted, times are SOURCE_DATE_EPOCH, owners are root.

    image.py sidecar --arch amd64 --version 0.1.0 --build build --out build/image
    image.py init    ...      the shim alone, for COPY --from in other images' recipes
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
PASSWD = "root:x:0:0:root:/:/nonexistent\n"
GROUP = "root:x:0:\n"


class Tree:
    """What is in an image: path -> ("file", octets, mode, where it comes from) | ("link", target) | ("dir", mode)."""

    def __init__(self):
        self.entries = {}

    def folder(self, path, mode=0o755):
        if path and path not in self.entries:
            self.folder(os.path.dirname(path))
            self.entries[path] = ("dir", mode)

    def data(self, path, octets, mode=0o644, source=None):
        self.folder(os.path.dirname(path))
        self.entries[path] = ("file", octets, mode, source)

    def link(self, path, target):
        self.folder(os.path.dirname(path))
        self.entries[path] = ("link", target)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout


def needed(path):
    """What the loader wants of a program or library: (interpreter or None, names of libraries)."""
    text = run("readelf", "--wide", "-l", "-d", path)
    interpreter = re.search(r"Requesting program interpreter: (.*?)\]", text)
    return interpreter and interpreter[1], re.findall(r"\(NEEDED\).*\[(.*?)\]", text)


def stripped(path, strip, scratch):
    """Without debugging information, which is most of it and nothing that runs."""
    run(strip, "--strip-debug", "--strip-unneeded", "-o", scratch, path)
    octets = read(scratch)
    os.unlink(scratch)
    return octets


class Libraries:
    """Copies programs with all that they load into a tree. Libraries are found as the loader would, but in the folders
    of the image's architecture instead of this machine's."""

    def __init__(self, tree, arch, sysroot):
        triplet = TRIPLETS[arch]
        self.tree, self.triplet, self.done = tree, triplet, set()
        self.folders = [f"{sysroot}{d}" for d in (f"/lib/{triplet}", f"/usr/lib/{triplet}", f"/usr/{triplet}/lib")]

    def find(self, name):
        for folder in self.folders:
            if os.path.exists(os.path.join(folder, name)):
                return os.path.realpath(os.path.join(folder, name))
        sys.exit(f"image.py: {name} is in none of {', '.join(self.folders)}")

    def follow(self, path):
        interpreter, names = needed(path)
        if interpreter and interpreter not in self.done:
            self.done.add(interpreter)
            source = self.find(os.path.basename(interpreter))
            self.tree.data(interpreter.lstrip("/"), read(source), 0o755, source)
        for name in names:
            if name in self.done or name.startswith("ld-linux"):
                continue
            self.done.add(name)
            source = self.find(name)
            self.tree.data(f"usr/lib/{self.triplet}/{name}", read(source), 0o644, source)
            self.follow(source)


def sidecar_tree(o):
    tree, strip = Tree(), o.strip
    scratch = os.path.join(o.out, f".strip.{os.getpid()}")
    libraries = Libraries(tree, o.arch, o.sysroot)
    egressd, nft = os.path.join(o.build, "egressd"), o.sysroot + o.nft
    tree.data("usr/sbin/egressd", stripped(egressd, strip, scratch), 0o755)
    tree.data("usr/sbin/nft", read(nft), 0o755, os.path.realpath(nft))
    libraries.follow(egressd)
    libraries.follow(nft)
    tree.data(BUNDLE, read("/" + BUNDLE), 0o644, "ca-certificates")
    tree.link("usr/lib/ssl/cert.pem", "/" + BUNDLE)
    tree.link("usr/lib/ssl/certs", "/etc/ssl/certs")
    # The names of protocols in the rules are looked up there by nft.
    tree.data("etc/protocols", b"ip\t0\tIP\nicmp\t1\tICMP\ntcp\t6\tTCP\nudp\t17\tUDP\nipv6-icmp\t58\tIPv6-ICMP\n")
    tree.data("etc/passwd", PASSWD.encode())
    tree.data("etc/group", GROUP.encode())
    for folder in ("dev", "proc", "sys", "tmp"):
        tree.folder(folder)
    for folder in ("run/egressd", "var/lib/egressd"):
        tree.folder(folder)
        tree.entries[folder] = ("dir", 0o700)
    return tree, {"Entrypoint": ["/usr/sbin/egressd"], "Cmd": ["--help"], "StopSignal": "SIGTERM", "WorkingDir": "/",
                  "Env": ["PATH=/usr/sbin"]}


def init_tree(o):
    tree = Tree()
    tree.data("egress-init", read(os.path.join(o.build, o.shim)), 0o755)
    return tree, {"Entrypoint": ["/egress-init"]}


def layer(tree, epoch):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(tree.entries):
            entry = tree.entries[path]
            info = tarfile.TarInfo(path)
            info.mtime, info.uid, info.gid = epoch, 0, 0
            if entry[0] == "dir":
                info.type, info.mode = tarfile.DIRTYPE, entry[1]
            elif entry[0] == "link":
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry[1], 0o777
            else:
                info.size, info.mode = len(entry[1]), entry[2]
            tar.addfile(info, io.BytesIO(entry[1]) if entry[0] == "file" else None)
    return out.getvalue()


def digest(octets):
    return "sha256:" + hashlib.sha256(octets).hexdigest()


def encode(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def layout(o, tree, config, reference, created):
    """The files of an OCI layout by name, and what runtimes call the image: the digests of its configuration and of its
    manifest."""
    blobs = {}

    def blob(media_type, octets, **more):
        blobs["blobs/sha256/" + digest(octets)[7:]] = octets
        return {"mediaType": media_type, "digest": digest(octets), "size": len(octets), **more}

    raw = layer(tree, o.epoch)
    packed = gzip.compress(raw, 9, mtime=0)
    labels = {"org.opencontainers.image.title": reference.split("/", 1)[1].split(":")[0],
              "org.opencontainers.image.version": o.version}
    image = {"architecture": o.arch, "os": "linux", "created": created, "config": {**config, "Labels": labels},
             "rootfs": {"type": "layers", "diff_ids": [digest(raw)]},
             "history": [{"created": created, "created_by": "rootfs/image.py"}]}
    if o.arch == "arm64":
        image["variant"] = "v8"
    descriptor = blob("application/vnd.oci.image.config.v1+json", encode(image))
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": descriptor,
                "layers": [blob("application/vnd.oci.image.layer.v1.tar+gzip", packed)]}
    platform = {key: image[key] for key in ("architecture", "os", "variant") if key in image}
    # Each runtime reads another one of the three.
    names = {key: reference for key in ("com.apple.containerization.image.name", "io.containerd.image.name",
                                        "org.opencontainers.image.ref.name")}
    outer = blob("application/vnd.oci.image.manifest.v1+json", encode(manifest), platform=platform, annotations=names)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [outer]}
    # docker before version 25 reads this instead, with paths into the same layout.
    path = lambda d: "blobs/sha256/" + d["digest"][7:]
    saved = [{"Config": path(descriptor), "RepoTags": [reference], "Layers": [path(d) for d in manifest["layers"]]}]
    files = {**blobs, "index.json": encode(index), "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
             "manifest.json": encode(saved)}
    return files, (descriptor["digest"], outer["digest"])


def archive(files, path, epoch):
    out = Tree()
    for name, octets in files.items():
        out.data(name, octets)
    with open(path + ".new", "wb") as f:
        f.write(layer(out, epoch))
    os.rename(path + ".new", path)


def package_of(source, sysroot):
    """Debian's package of a file: (name, version), or None for what is our own."""
    if source is None:
        return None
    query = ["dpkg-query", f"--admindir={sysroot}/var/lib/dpkg"]
    if source == "ca-certificates":
        name, query = source, query[:1]
    else:
        inside = source.removeprefix(os.path.realpath(sysroot)) if sysroot else source
        for path in (inside, inside.removeprefix("/usr")):
            found = subprocess.run([*query, "-S", path], capture_output=True, text=True, check=False)
            if found.returncode == 0:
                break
        else:
            sys.exit(f"image.py: no package owns {source}")
        name = found.stdout.split(": ")[0].split(",")[0].strip()
    return name.split(":")[0], run(*query, "-W", "-f", "${Version}\n", name).splitlines()[0]


def sbom(o, tree, reference, created):
    """SPDX 2.3: each package, each file with its package."""
    packages, files, relations = {}, [], []

    def add_package(name, version, purl):
        key = "SPDXRef-Package-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)
        packages.setdefault(key, {
            "SPDXID": key, "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION", "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER",
                                                              "referenceType": "purl", "referenceLocator": purl}]})
        return key

    root = add_package("egressd", o.version, f"pkg:generic/egressd@{o.version}")
    for path in sorted(tree.entries):
        if tree.entries[path][0] != "file":
            continue
        _, octets, _, source = tree.entries[path]
        owner = package_of(source, o.sysroot)
        key = root
        if owner:
            version = owner[1].replace("+", "%2B").replace(":", "%3A")
            key = add_package(*owner, f"pkg:deb/debian/{owner[0]}@{version}?arch={o.arch}")
        file_key = "SPDXRef-File-" + re.sub(r"[^A-Za-z0-9.-]", "-", path)
        files.append({"SPDXID": file_key, "fileName": "/" + path, "copyrightText": "NOASSERTION",
                      "licenseConcluded": "NOASSERTION",
                      "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(octets).hexdigest()},
                                    {"algorithm": "SHA256", "checksumValue": digest(octets)[7:]}]})
        relations.append((key, "CONTAINS", file_key))
    relations += [(root, "DEPENDS_ON", key) for key in packages if key != root]
    relations.insert(0, ("SPDXRef-DOCUMENT", "DESCRIBES", root))
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": reference,
            "documentNamespace": f"https://egressd.invalid/spdx/{reference}-{o.arch}",
            "creationInfo": {"created": created, "creators": ["Tool: egressd-image.py"]},
            "packages": list(packages.values()), "files": files,
            "relationships": [{"spdxElementId": a, "relationshipType": b, "relatedSpdxElement": c}
                              for a, b, c in relations]}


def options():
    p = argparse.ArgumentParser(description="writes an image and its SBOM")
    p.add_argument("kind", choices=("sidecar", "init"))
    p.add_argument("--arch", choices=TRIPLETS, required=True)
    p.add_argument("--version", required=True)
    p.add_argument("--build", required=True, help="folder of the programs")
    p.add_argument("--out", required=True, help="folder for the image")
    p.add_argument("--sysroot", default="", help="where the libraries are, if not in this machine's root")
    p.add_argument("--nft", default="/usr/sbin/nft")
    p.add_argument("--strip", default="strip")
    p.add_argument("--shim", default="egress-init")
    o = p.parse_args()
    o.epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    return o


def main():
    o = options()
    os.makedirs(o.out, exist_ok=True)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(o.epoch))
    reference = f"localhost/egressd/{o.kind}:{o.version}"
    tree, config = sidecar_tree(o) if o.kind == "sidecar" else init_tree(o)
    files, image_ids = layout(o, tree, config, reference, created)
    base = os.path.join(o.out, f"egressd-{o.kind}-{o.arch}")
    archive(files, base + ".oci.tar", o.epoch)
    with open(base + ".spdx.json", "w", encoding="utf-8") as f:
        json.dump(sbom(o, tree, reference, created), f, indent=1, sort_keys=True)
        f.write("\n")
    with open(base + ".id", "w", encoding="ascii") as f:
        f.write("".join(d[7:] + "\n" for d in image_ids))
    size = os.path.getsize(base + ".oci.tar")
    print(f"{base}.oci.tar: {reference}, {size / 1048576:.1f} MiB, {image_ids[0]}")


if __name__ == "__main__":
    main()
