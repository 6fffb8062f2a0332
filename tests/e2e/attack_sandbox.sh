#!/usr/bin/env bash
# The agent looks for a way out of its namespaces, back to privilege, or to what the sidecar and the host hold.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
attack_world
export API_TOKEN="bait-token-$(openssl rand -hex 16)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: auth.test
      auth: {scheme: Bearer, token_ref: API_TOKEN}
YAML
# Baits: what a host has lying about.
python3 - "$T" >/dev/null 2>&1 <<'PY' &
import ctypes, os, socket, sys, time
T = sys.argv[1]
os.umask(0)
for name in (f"{T}/bait.sock", "\0" + os.path.basename(T)):
    s = socket.socket(socket.AF_UNIX); s.bind(name); s.listen(); globals()["s" + name[:1]] = s
open("/dev/shm/" + os.path.basename(T), "w").write("bait")
libc = ctypes.CDLL(None)
m = libc.shmget(0x5EC4E7, 4096, 0o1666)
open(f"{T}/baited", "w").close()
try:
    time.sleep(120)
finally:
    pass
PY
BAIT=$!
cp /usr/bin/id "$T/suid" && chmod 4755 "$T/suid"
cp "$(readlink -f /usr/bin/python3)" "$T/caps"
python3 -c "import os, struct; os.setxattr('$T/caps', 'security.capability', struct.pack('<IIIII', 0x02000001, 0x2000 | 0x1000 | 0x200000, 0, 0, 0))"
eventually 5 test -e "$T/baited"
check "the baits are real" bash -c "[ \"\$(setpriv --reuid 65534 --regid 65534 --clear-groups '$T/suid' -u)\" = 0 ] && setpriv --reuid 65534 --regid 65534 --clear-groups '$T/caps' -c 'import socket; socket.socket(17, 3, 0)'"
attack "$T/policy.yaml" python3 "$HERE/attack_sandbox.py" "$T"
check "a credential was injected all the same" agent "$T/policy.yaml" curl -sSf --max-time 10 -o /dev/null https://auth.test/
check "no credential in any log" bash -c "! grep -rq '$API_TOKEN' '$T/state'"
check "nothing left but that" nothing_left
kill $BAIT
rm -f "/dev/shm/$(basename "$T")"
ipcrm -M 0x5EC4E7 2>/dev/null
exit $FAILED
