#!/usr/bin/env python3
"""kubernetes.py check < OBJECTS        the examples' objects (a JSON list) are well-formed and agree with each other
kubernetes.py argv ROLE DIR < OBJECTS   "podman run" arguments for the pod of ROLE, NUL-separated; DIR/KIND/NAME/KEY are its
                                        config maps and secrets, laid out below DIR/mounts as a kubelet does"""
import ipaddress
import json
import os
import re
import sys

KINDS = {"Namespace": "v1", "ConfigMap": "v1", "Deployment": "apps/v1", "Job": "batch/v1", "NetworkPolicy": "networking.k8s.io/v1",
         "NetworkAttachmentDefinition": "k8s.cni.cncf.io/v1"}
# The fields that the examples use, by where they stand: a misspelt one is ignored by nobody but a hurried reader.
KEYS = {
    "podspec": "automountServiceAccountToken enableServiceLinks restartPolicy affinity dnsPolicy dnsConfig containers volumes",
    "container": "name image args env securityContext resources volumeMounts",
    "security": "runAsUser runAsGroup allowPrivilegeEscalation readOnlyRootFilesystem capabilities",
    "volume": "name configMap secret emptyDir",
    "mount": "name mountPath readOnly",
    "policy": "podSelector policyTypes egress ingress",
    "Deployment": "replicas strategy selector template",
    "Job": "backoffLimit template",
}
CAPABILITIES = set("NET_ADMIN NET_RAW SETUID SETGID SETPCAP KILL DAC_OVERRIDE NET_BIND_SERVICE CHOWN FOWNER".split())


def known(what, value):
    extra = set(value) - set(KEYS[what].split())
    assert not extra, f"{what}: unknown {extra}"


def pods(objects):
    """role -> (template's metadata, its pod spec)"""
    found = {}
    for o in objects:
        if o["kind"] in ("Deployment", "Job"):
            known(o["kind"], o["spec"])
            t = o["spec"]["template"]
            found[t["metadata"]["labels"]["egressd.dev/role"]] = (t["metadata"], t["spec"])
            if o["kind"] == "Deployment":
                assert o["spec"]["selector"]["matchLabels"].items() <= t["metadata"]["labels"].items()
    return found


def second_interface(meta):
    (network,) = json.loads(meta["annotations"]["k8s.v1.cni.cncf.io/networks"])
    return network["name"], network["interface"], ipaddress.ip_interface(network["ips"][0])


def check_pod(spec):
    known("podspec", spec)
    assert spec["automountServiceAccountToken"] is False
    volumes = {v["name"]: v for v in spec["volumes"]}
    for v in spec["volumes"]:
        known("volume", v)
    for c in spec["containers"]:
        known("container", c)
        known("security", c["securityContext"])
        assert c["securityContext"]["allowPrivilegeEscalation"] is False
        caps = c["securityContext"]["capabilities"]
        assert caps["drop"] == ["ALL"] and set(caps["add"]) <= CAPABILITIES, caps
        for m in c["volumeMounts"]:
            known("mount", m)
            assert m["name"] in volumes, m
        assert {m["name"] for m in c["volumeMounts"]} == set(volumes), "a volume that nobody mounts"
        assert all(isinstance(e["value"], str) for e in c.get("env", [])) and all(isinstance(a, str) for a in c["args"])


def check(objects):
    for o in objects:
        assert KINDS[o["kind"]] == o["apiVersion"], o["kind"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", o["metadata"]["name"])
        assert o["kind"] == "Namespace" or o["metadata"]["namespace"] == "agents"
    by_pod = pods(objects)
    assert set(by_pod) == {"agent", "sidecar"}
    for _, spec in by_pod.values():
        check_pod(spec)
    (attachment,) = [o for o in objects if o["kind"] == "NetworkAttachmentDefinition"]
    config = json.loads(attachment["spec"]["config"])
    assert config["type"] == "bridge" and config["isGateway"] is False and config["ipMasq"] is False and len(config["bridge"]) <= 15
    name, _, sidecar = second_interface(by_pod["sidecar"][0])
    other, _, agent = second_interface(by_pod["agent"][0])
    assert name == other == attachment["metadata"]["name"] and sidecar.network == agent.network and sidecar != agent
    env = {e["name"]: e["value"] for e in by_pod["agent"][1]["containers"][0]["env"]}
    assert env["EGRESS_GATEWAY"] == str(sidecar.ip) == by_pod["agent"][1]["dnsConfig"]["nameservers"][0]
    policies = {o["spec"]["podSelector"]["matchLabels"]["egressd.dev/role"]: o["spec"] for o in objects if o["kind"] == "NetworkPolicy"}
    assert set(policies) == {"agent", "sidecar"}
    for p in policies.values():
        known("policy", p)
        assert p["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policies["agent"] and "ingress" not in policies["agent"], "the agent's policy allows something"
    block = policies["sidecar"]["egress"][1]["to"][0]["ipBlock"]
    assert all(ipaddress.ip_network(n).subnet_of(ipaddress.ip_network(block["cidr"])) for n in block["except"])
    # the key of the CA is the sidecar's alone
    (ca,) = [v["secret"] for v in by_pod["agent"][1]["volumes"] if "secret" in v]
    assert [i["key"] for i in ca["items"]] == ["ca.crt"]


def lay_out(folder, volume, where):
    """A config map or secret as a kubelet mounts it: links to a hidden folder of the day. Returns what to mount."""
    kind = "configMap" if "configMap" in volume else "secret"
    v = volume[kind]
    source = f"{folder}/{kind}/{v.get('name') or v.get('secretName')}"
    os.makedirs(f"{where}/..day", mode=0o755)
    os.symlink("..day", f"{where}/..data")
    for key, path in [(i["key"], i["path"]) for i in v["items"]] if "items" in v else [(k, k) for k in sorted(os.listdir(source))]:
        with open(f"{source}/{key}", "rb") as f, open(f"{where}/..day/{path}", "wb") as to:
            to.write(f.read())
        os.chmod(f"{where}/..day/{path}", v.get("defaultMode", 0o644))
        os.symlink(f"..data/{path}", f"{where}/{path}")
    return where


def argv(objects, role, folder):
    meta, spec = pods(objects)[role]
    (c,) = spec["containers"]
    network, interface, address = second_interface(meta)
    # the first network is the cluster's
    out = ["--network", "cluster:interface_name=eth0", "--network", f"{network}:interface_name={interface},ip={address.ip}",
           "--user", "0:0", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--pull", "never"]
    for cap in c["securityContext"]["capabilities"]["add"]:
        out += ["--cap-add", cap]
    if c["securityContext"].get("readOnlyRootFilesystem"):
        out += ["--read-only", "--read-only-tmpfs=false"]
    for server in spec.get("dnsConfig", {}).get("nameservers", []):
        out += ["--dns", server]
    for e in c.get("env", []):
        out += ["--env", f"{e['name']}={e['value']}"]
    volumes = {v["name"]: v for v in spec["volumes"]}
    for m in c["volumeMounts"]:
        v = volumes[m["name"]]
        where = f"{folder}/mounts/{role}/{m['name']}"
        os.makedirs(where, mode=0o777)
        if "emptyDir" not in v:
            lay_out(folder, v, where)
        out += ["--volume", f"{where}:{m['mountPath']}" + (":ro" if m.get("readOnly") else "")]
    sys.stdout.write("\0".join(out + [c["image"]] + c["args"]) + "\0")


objects = json.load(sys.stdin)
if sys.argv[1] == "check":
    check(objects)
else:
    argv(objects, sys.argv[2], sys.argv[3])
