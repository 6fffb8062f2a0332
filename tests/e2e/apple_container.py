#!/usr/bin/env python3
"""Speaks as Apple's `container` does (command lines, JSON, texts and exit codes of 1.0.0 to 1.2.2) and does what it is told
with podman, so that a launch for macOS really happens on Linux. What is not in a fixture or needed by egressctl is left out.

What it cannot stand in for: virtual machines and their kernels, vmnet and its leaks, virtiofs, launchd, signed packages.

$APPLE_STANDIN is a folder: `version`, `service` (what `system status` says), `faults` (one a line: COUNT before|after WORDS:
the next COUNT commands that begin so time out, before or after doing it), `calls` (what was asked, written here).
"""
import json
import os
import re
import resource
import subprocess
import sys
import tarfile

HOME = os.environ["APPLE_STANDIN"]
PODMAN = ["podman", "--runtime", "runc"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")
LABEL_KEY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
DEFAULT_CAPS = ("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
                "AUDIT_WRITE").split()

# option -> (takes a value, name); one letter or a word
RUN = {"--name": 1, "--label": 1, "-l": 1, "--network": 1, "--dns": 1, "--no-dns": 0, "--cap-add": 1, "--cap-drop": 1,
       "--user": 1, "-u": 1, "--uid": 1, "--gid": 1, "--entrypoint": 1, "--read-only": 0, "--tmpfs": 1, "--mount": 1,
       "--volume": 1, "-v": 1, "--publish-socket": 1, "--ulimit": 1, "--env": 1, "-e": 1, "--env-file": 1, "--kernel": 1,
       "-k": 1, "--cidfile": 1, "--rm": 0, "--progress": 1, "--interactive": 0, "-i": 0, "--tty": 0, "-t": 0, "--detach": 0,
       "-d": 0, "--cpus": 1, "-c": 1, "--memory": 1, "-m": 1, "--init": 0, "--workdir": 1, "-w": 1}
NEWER = {"--read-only-path": (1, 2, 1), "--masked-path": (1, 2, 1), "--kernel-arg": (1, 2, 0)}
SHORT = {"-l": "--label", "-u": "--user", "-v": "--volume", "-e": "--env", "-k": "--kernel", "-i": "--interactive", "-t": "--tty",
         "-d": "--detach", "-c": "--cpus", "-m": "--memory", "-w": "--workdir"}


class Failure(Exception):
    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


def slurp(name, default=""):
    try:
        with open(os.path.join(HOME, name), encoding="utf-8") as f:
            return f.read().strip()
    except FileNotFoundError:
        return default


def version():
    return slurp("version", "1.2.2")


def since(*wanted):
    return tuple(int(n) for n in version().split(".")) >= wanted


# -- output as Swift's encoder writes it

def compact(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/")


def pretty(value, indent=0):
    inner, outer = " " * (indent + 2), " " * indent
    if isinstance(value, dict):
        body = ",\n".join(f"{inner}{compact(k)} : {pretty(value[k], indent + 2)}" for k in sorted(value))
        return "{\n" + body + "\n" + outer + "}"
    if isinstance(value, list):
        body = ",\n".join(inner + pretty(v, indent + 2) for v in value)
        return "[\n" + body + "\n" + outer + "]"
    return compact(value)


# -- podman

def podman(*argv, check=True):
    done = subprocess.run([*PODMAN, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Failure(f'internalError: "{done.stderr.strip()}"')
    return done.stdout if done.returncode == 0 else None


def look(kind, name):
    out = podman(kind, "inspect", name, check=False)
    return json.loads(out)[0] if out else None


def saved(name):
    text = slurp(os.path.join("containers", name))
    return json.loads(text) if text else None


def container_json(name):
    seen, configuration = look("container", name), saved(name)
    if not seen or not configuration:
        return None
    running = seen["State"]["Running"]
    status = {"state": "running" if running else "stopped", "networks": []}
    if running:
        status["startedDate"] = configuration["creationDate"]
        for asked in configuration["networks"]:
            there = seen["NetworkSettings"]["Networks"].get(asked["network"])
            if not there or not there["IPAddress"]:
                continue
            entry = {"network": asked["network"], "hostname": name.split(".")[0], "mtu": 1280, "macAddress": there["MacAddress"],
                     "ipv4Address": f'{there["IPAddress"]}/{there["IPPrefixLen"]}', "ipv4Gateway": gateway_of(asked["network"])}
            if since(1, 1, 0):
                entry["variant"] = "reserved"
            status["networks"].append(entry)
    return {"id": name, "configuration": configuration, "status": status}


def gateway_of(network):
    subnet = look("network", network)["subnets"][0]
    return subnet.get("gateway") or re.sub(r"\d+/\d+$", "1", subnet["subnet"])


def network_json(name):
    seen = look("network", name)
    if not seen:
        return None
    subnet = seen["subnets"][0]["subnet"]
    return {"id": name, "configuration": {"name": name, "mode": "hostOnly" if seen["internal"] else "nat", "options": {},
                                          "labels": seen.get("labels") or {}, "plugin": "container-network-vmnet",
                                          "creationDate": "2026-08-08T09:14:02Z"},
            "status": {"ipv4Subnet": subnet, "ipv4Gateway": gateway_of(name)}}


def image_json(name):
    seen = look("image", name)
    if not seen:
        return None
    config = {k: v for k, v in (seen.get("Config") or {}).items() if v}
    image = {"architecture": seen["Architecture"], "os": "linux", "created": seen["Created"], "config": config,
             "rootfs": {"type": "layers", "diff_ids": seen["RootFS"]["Layers"]}}
    variant = {"digest": seen["Digest"], "platform": {"architecture": seen["Architecture"], "os": "linux"}, "config": image,
               "size": seen["Size"]}
    index = "0" * 63 + "1"
    descriptor = {"digest": "sha256:" + index, "mediaType": "application/vnd.oci.image.index.v1+json", "size": 408}
    return {"id": index, "configuration": {"name": name, "creationDate": "2026-08-07T00:00:00Z", "descriptor": descriptor},
            "variants": [variant]}


# -- arguments

def options(argv, known, usage, passthrough=False):
    """({option: [values]}, rest). What Swift's argument parser refuses ends with 64."""
    found, rest, i = {}, [], 0
    while i < len(argv):
        word = argv[i]
        if not word.startswith("-") or word == "-":
            if passthrough:
                return found, argv[i:]
            rest.append(word)
            i += 1
            continue
        name, _, value = word.partition("=")
        if name not in known or (name in NEWER and not since(*NEWER[name])):
            raise Failure(f"Unknown option '{name}'\nUsage: container {usage}\n  See 'container {usage.split()[0]} --help' for more "
                          "information.", 64)
        takes = known[name]
        name = SHORT.get(name, name)
        if takes and not value:
            i += 1
            if i >= len(argv):
                raise Failure(f"Missing value for '{name}'\nUsage: container {usage}", 64)
            value = argv[i]
        found.setdefault(name, []).append(value)
        i += 1
    return found, rest


def one(found, name, default=None):
    return found.get(name, [default])[-1]


def labels_of(found, network=False):
    out = {}
    for text in found.get("--label", []):
        if text.count("=") != 1:
            raise Failure(f"invalid label format {text}")
        key, value = text.split("=")
        if network and not LABEL_KEY.fullmatch(key):
            raise Failure(f"invalid label key {key}")
        out[key] = value
    return out


def name_of(name):
    if not NAME.fullmatch(name) or len(name) > 63:
        raise Failure(f"invalid id {name}")
    return name


# -- containers

def mount(text):
    parts = dict(p.partition("=")[::2] for p in text.split(","))
    source, target = parts.get("source") or parts.get("src"), parts.get("target") or parts.get("dst") or parts.get("destination")
    if set(parts) - {"type", "source", "src", "target", "dst", "destination", "readonly", "ro"} or text.count("=") != 3:
        raise Failure(f"invalid mount format {text}")
    if parts.get("type") != "bind" or not os.path.isdir(source or ""):
        raise Failure(f"path '{source}' is not a directory")
    read_only = "readonly" in parts or "ro" in parts
    return {"source": source, "destination": target, "options": ["ro"] if read_only else [], "type": {"virtiofs": {}}}


def ulimit(text):
    name, _, value = text.partition("=")
    most = resource.getrlimit(getattr(resource, "RLIMIT_" + name.upper()))[1]
    soft, hard = (min(int(n), most) for n in value.split(":"))
    return f"{name}={soft}:{hard}"


def check_run(found, rest, verb):
    if not rest:
        raise Failure("Missing expected argument '<image>'\nUsage: container run [<options>] <image> [<arguments> ...]", 64)
    name = name_of(one(found, "--name", "unnamed"))
    if saved(name):
        raise Failure(f"container with id {name} already exists" if verb == "run" else f"container already exists: {name}")
    for network in found.get("--network", ["default"]):
        if not look("network", network.split(",")[0]):
            raise Failure(f"network {network} not found")
    if not look("image", rest[0]):
        raise Failure(f"image not found: {rest[0]}")
    return name


def run(argv):
    found, rest = options(argv, {**RUN, **{k: 1 for k in NEWER}}, "run [<options>] <image> [<arguments> ...]", True)
    name = check_run(found, rest, "run")
    mounts, networks = [mount(m) for m in found.get("--mount", [])], found.get("--network", ["default"])
    drop = [c.removeprefix("CAP_").upper() for c in found.get("--cap-drop", [])]
    add = [c.removeprefix("CAP_").upper() for c in found.get("--cap-add", [])]
    caps = [c for c in DEFAULT_CAPS if "ALL" not in drop and c not in drop] + add
    # Neither no_new_privs nor a system call filter: the guest has none.
    argv = [*PODMAN, "run", "--name", name, "--http-proxy=false", "--log-driver", "none", "--security-opt", "label=disable", "--security-opt",
            "seccomp=unconfined", "--cap-drop", "all", "--user", one(found, "--user", "0:0"), "--hostname", name.split(".")[0]]
    for cap in caps:
        argv += ["--cap-add", cap]
    for key, value in labels_of(found).items():
        argv += ["--label", f"{key}={value}"]
    for network in networks:
        argv += ["--network", network.split(",")[0]]
    dns = found.get("--dns") or ([] if "--no-dns" in found else [gateway_of(networks[0])])
    for server in dns or ["none"]:
        argv += ["--dns", server]
    limits = {l.split("=")[0]: ulimit(l) for l in ["nofile=1024:1024", "nproc=1024:1024", *found.get("--ulimit", [])]}
    for limit in limits.values():
        argv += ["--ulimit", limit]
    for m in mounts:
        argv += ["--mount", f'type=bind,src={m["source"]},dst={m["destination"]}' + (",ro" if m["options"] else "")]
    for e in found.get("--env", []):
        argv += ["--env", e]
    argv += [o for o in ("--interactive", "--tty", "--read-only", "--rm", "--detach") if o in found]
    entrypoint = one(found, "--entrypoint")
    argv += ["--entrypoint", entrypoint] if entrypoint else []
    save(name, {"capAdd": ["CAP_" + c for c in add], "capDrop": drop, "creationDate": "2026-08-08T09:14:03Z", "id": name,
                "dns": {"nameservers": dns, "options": [], "searchDomains": []}, "labels": labels_of(found), "mounts": mounts,
                "image": {"descriptor": image_json(rest[0])["configuration"]["descriptor"], "reference": rest[0]},
                "initProcess": {"arguments": rest[1:], "environment": found.get("--env", []), "executable": entrypoint or "",
                                "rlimits": [], "supplementalGroups": [], "terminal": "--tty" in found,
                                "user": {"id": {"gid": 0, "uid": 0}}, "workingDirectory": "/"},
                "networks": [{"network": n.split(",")[0], "options": {"hostname": name.split(".")[0], "mtu": 1280}} for n in networks],
                "platform": {"architecture": "arm64", "os": "linux"}, "publishedPorts": [], "publishedSockets": [],
                "readOnly": "--read-only" in found, "resources": {"cpuOverhead": 1, "cpus": 4, "memoryInBytes": 1073741824},
                "rosetta": False, "runtimeHandler": "container-runtime-linux", "ssh": False, "sysctls": {}, "useInit": False,
                "virtualization": False})
    os.execvp(argv[0], argv + rest)


def save(name, configuration):
    os.makedirs(os.path.join(HOME, "containers"), exist_ok=True)
    with open(os.path.join(HOME, "containers", name), "w", encoding="utf-8") as f:
        json.dump(configuration, f)


def execute(argv):
    found, rest = options(argv, {o: RUN[o] for o in ("--interactive", "-i", "--tty", "-t", "--user", "-u", "--env", "-e", "--detach",
                                                     "-d", "--workdir", "-w", "--uid", "--gid")}, "exec [<options>] <id> ...", True)
    seen = container_json(rest[0]) if rest else None
    if not seen:
        raise Failure(f"get failed: container {rest[0] if rest else ''} not found")
    if seen["status"]["state"] != "running":
        raise Failure(f"container {rest[0]} is not running")
    argv = [*PODMAN, "exec", "--user", one(found, "--user", "0:0"), *[o for o in ("--interactive", "--tty") if o in found]]
    for e in found.get("--env", []):
        argv += ["--env", e]
    os.execvp(argv[0], argv + rest)


def missing(verb, name):
    return Failure(f'internalError: "failed to {verb} container" (cause: "notFound: "container with ID {name} not found"")')


def stop(argv):
    found, names = options(argv, {"--time": 1, "-t": 1, "--signal": 1, "-s": 1, "--all": 0, "-a": 0}, "stop [<options>] [<ids> ...]")
    for name in names:
        if not saved(name):
            raise missing("stop", name)
        podman("stop", "--time", one(found, "--time") or one(found, "--tty", "5"), name, check=False)
        print(name)


def kill(argv):
    found, names = options(argv, {"--signal": 1, "-s": 1, "--all": 0}, "kill [<options>] [<ids> ...]")
    for name in names:
        if not saved(name):
            raise missing("kill", name)
        podman("kill", "--signal", one(found, "--signal", "KILL"), name, check=False)
        print(name)


def delete(argv):
    found, names = options(argv, {"--force": 0, "-f": 0, "--all": 0, "-a": 0}, "delete [<options>] [<ids> ...]")
    for name in names:
        seen = container_json(name)
        if not saved(name):
            raise missing("delete", name)
        if seen and seen["status"]["state"] == "running" and not {"--force", "-f"} & set(found):
            raise Failure(f'internalError: "failed to delete container" (cause: "invalidState: "container {name} is running and can '
                          'not be deleted"")')
        podman("rm", "--force", "--time", "0", name, check=False)
        os.unlink(os.path.join(HOME, "containers", name))
        print(name)


def container_names():
    try:
        return sorted(os.listdir(os.path.join(HOME, "containers")))
    except FileNotFoundError:
        return []


def inspect(argv):
    out = []
    for name in argv:
        seen = container_json(name)
        if not seen:
            raise Failure(f"container not found: {name}")
        out.append(seen)
    print(pretty(out))


FORMAT = {"--all": 0, "-a": 0, "--format": 1, "--quiet": 0, "-q": 0}


def listing(argv):
    found, _ = options(argv, FORMAT, "list [<options>]")
    every = [c for c in map(container_json, container_names()) if c]
    print(compact([c for c in every if {"--all", "-a"} & set(found) or c["status"]["state"] == "running"]))


# -- networks, images, the service

def network_create(argv):
    found, names = options(argv, {"--internal": 0, "--label": 1, "--subnet": 1, "--subnet-v6": 1}, "network create [<options>] <name>")
    name, labels = name_of(names[0]), labels_of(found, True)
    if look("network", name):
        raise Failure(f"network {name} already exists")
    argv = ["network", "create", "--disable-dns", *(["--internal"] if "--internal" in found else [])]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    podman(*argv, name)
    print(name)


def network_delete(argv):
    _, names = options(argv, {"--all": 0}, "network delete [<names> ...]")
    for name in names:
        if not look("network", name):
            raise Failure(f'failed to delete one or more networks: ["{name}"]')
        users = [c for c in container_names() if any(n["network"] == name for n in saved(c)["networks"]) and look("container", c)]
        if users:
            print(f'failed to delete network: ["id": {name}, "error": invalidState: "cannot delete subnet {name} with referring '
                  f'containers: {", ".join(users)}"]', file=sys.stderr)
            raise Failure(f'delete failed for one or more networks: ["{name}"]')
        podman("network", "rm", name)
        print(name)


def network_list(argv):
    options(argv, FORMAT, "network list [<options>]")
    print(compact([network_json(n) for n in podman("network", "ls", "--format", "{{.Name}}").split()]))


def network_inspect(argv):
    for name in argv:
        if not look("network", name):
            raise Failure(f"network not found: {name}")
    print(pretty([network_json(n) for n in argv]))


def image_load(argv):
    found, _ = options(argv, {"--input": 1, "-i": 1}, "image load [<options>]")
    path = one(found, "--input") or one(found, "--interactive")
    if not os.path.exists(path):
        print(f'file does not exist: ["path": {path}]', file=sys.stderr)
        sys.exit(1)
    with tarfile.open(path) as tar:
        if not all(m.isfile() or m.isdir() or m.issym() for m in tar):
            raise Failure("unsupported entry in archive")
        if not {"oci-layout", "index.json"} <= set(tar.getnames()):
            raise Failure("not an OCI layout")
        entry = json.load(tar.extractfile("index.json"))["manifests"][0]
    name = entry.get("annotations", {}).get("com.apple.containerization.image.name")
    if not name:
        raise Failure("no name in the layout")
    podman("load", "--quiet", "--input", path)
    print(name)


def image_inspect(argv):
    for name in argv:
        if not look("image", name):
            raise Failure(f"image not found: {name}")
    print(pretty([image_json(n) for n in argv]))


def image_pull(argv):
    raise Failure(f"image not found: {argv[-1]}")


def commit():
    return "ee848e3ebfd7c73b04dd419683be54fb450b8779"


def system_status(argv):
    options(argv, FORMAT, "system status [<options>]")
    state = slurp("service", "running")
    up = state == "running"
    text = f"container-apiserver version {version()} (build: release, commit: {commit()[:7]})"
    print(compact({"status": state, "apiServerAppName": "container-apiserver" if up else "", "apiServerBuild": "release" if up else "",
                   "apiServerCommit": commit() if up else "", "apiServerVersion": text if up else "",
                   "appRoot": "/Users/dev/Library/Application Support/com.apple.container/" if up else "",
                   "installRoot": "/usr/local/" if up else ""}))
    sys.exit(0 if up else 1)


def system_version(argv):
    options(argv, FORMAT, "system version [<options>]")
    out = [{"appName": "container", "buildType": "release", "commit": commit(), "version": version()}]
    if slurp("service", "running") == "running":
        text = f"container-apiserver version {version()} (build: release, commit: {commit()[:7]})"
        out.append({"appName": "container-apiserver", "buildType": "release", "commit": commit(), "version": text})
    print(compact(out))


COMMANDS = {("run",): run, ("exec",): execute, ("stop",): stop, ("kill",): kill, ("delete",): delete, ("rm",): delete,
            ("inspect",): inspect, ("list",): listing, ("ls",): listing, ("network", "create"): network_create,
            ("network", "delete"): network_delete, ("network", "list"): network_list, ("network", "inspect"): network_inspect,
            ("image", "load"): image_load, ("image", "inspect"): image_inspect, ("image", "pull"): image_pull}
SYSTEM = {("system", "status"): system_status, ("system", "version"): system_version}


def fault(argv):
    """"before", "after" or None; the count goes down."""
    lines, hit = slurp("faults").splitlines(), None
    for i, line in enumerate(lines):
        count, when, words = line.split(" ", 2)
        if int(count) > 0 and argv[:len(words.split())] == words.split():
            lines[i], hit = f"{int(count) - 1} {when} {words}", when
            break
    if hit:
        with open(os.path.join(HOME, "faults"), "w", encoding="utf-8") as f:
            f.write("\n".join(lines))
    return hit


def dispatch(argv):
    if argv == ["--version"]:
        print(f"container CLI version {version()} (build: release, commit: {commit()[:7]})")
        return
    for table in (SYSTEM, COMMANDS):
        for words, function in table.items():
            if tuple(argv[:len(words)]) != words:
                continue
            if table is COMMANDS and slurp("service", "running") != "running":
                print('Error: interrupted: "XPC connection error: Connection invalid"\nEnsure container system service has been started '
                      "with `container system start`.", file=sys.stderr)
                sys.exit(1)
            when = fault(argv)
            late = Failure("XPC timeout for request to com.apple.container.apiserver/" + "".join(words))
            if when == "before":
                raise late
            function(argv[len(words):])
            if when:
                raise late
            return
    raise Failure(f"Unexpected argument '{argv[0] if argv else ''}'\nUsage: container <subcommand>", 64)


def main():
    with open(os.path.join(HOME, "calls"), "a", encoding="utf-8") as f:
        f.write(json.dumps(sys.argv[1:]) + "\n")
    try:
        dispatch(sys.argv[1:])
    except Failure as e:
        sys.stdout.flush()
        print(f"Error: {e}", file=sys.stderr)
        sys.exit(e.status)


if __name__ == "__main__":
    main()
