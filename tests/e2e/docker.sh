#!/usr/bin/env bash
# egressctl, backend docker, against a real engine: Debian's, unpacked beside the build and run in the world's "host" with
# all that it keeps in the test's own folders. It is one of before version 25, which makes a container with one network only.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/podman_world.bash"
. "$(dirname "$0")/container_cases.bash"

ENGINE=$BUILD/docker/bin
if ! [ -x "$ENGINE/dockerd" ]; then
    scratch=$(mktemp -d)
    chmod 777 "$scratch" # apt downloads as a user of its own
    (cd "$scratch" && apt-get download docker.io containerd && for d in *.deb; do dpkg -x "$d" .; done && rm -rf "$ENGINE" && mkdir -p "$ENGINE" &&
        cp usr/bin/docker usr/bin/docker-init usr/bin/containerd usr/bin/containerd-shim-runc-v2 usr/sbin/docker-proxy usr/sbin/dockerd "$ENGINE") >/dev/null 2>&1
    rm -rf "$scratch"
fi
[ -x "$ENGINE/dockerd" ] || { skip docker "cannot get Debian's docker.io and containerd"; exit 0; }
podman_up
export PATH=$ENGINE:$PATH
export DOCKER_HOST=unix://$T/docker/sock DOCKER_CONFIG=$T/docker/config
mkdir -p "$DOCKER_CONFIG"
CGROUP=egressd-test-$$
engine() {
    exec nsenter --net="/run/netns/$W-host" dockerd --host "$DOCKER_HOST" --data-root "$T/docker/data" --exec-root "$T/docker/exec" \
        --pidfile "$T/docker/pid" --storage-driver vfs --cgroup-parent "/$CGROUP" --bridge none
}
engine >"$T/docker/log" 2>&1 &
DOCKERD=$!
down() {
    # shellcheck disable=SC2046
    docker rm -f $(docker ps -aq 2>/dev/null) >/dev/null 2>&1
    kill "$DOCKERD" 2>/dev/null
    wait "$DOCKERD" 2>/dev/null
    find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" -exec rmdir {} + 2>/dev/null
    umount "$T"/docker/exec/netns/* 2>/dev/null
    podman_down
}
trap down EXIT
eventually 30 docker version || { not_ok "the engine starts" "$(tail -n 5 "$T/docker/log")"; exit 1; }

d=$(mktemp -d "$T/image.XXXXXX")
chmod 755 "$d" && mkdir -p "$d/bin" "$d/etc" && cp /usr/bin/busybox "$d/bin" && cp "$T/etc/passwd" "$d/etc" && ln -s busybox "$d/bin/sh"
tar -C "$d" -c . | docker import --change 'HEALTHCHECK --interval=1s CMD /bin/busybox touch /as-root' - localhost/busybox >/dev/null
echo '{"proxies": {"default": {"httpProxy": "http://user:hidden@'$HOSTIP':3128", "noProxy": "localhost"}}}' >"$DOCKER_CONFIG/config.json"

BACKEND=docker
small_policy
# Another container, with a port published on the host: the engine's address translation must be no way round.
docker network create other >/dev/null
docker run -d --name other --network other --ulimit nofile=1024:1024 -p 8088:80 localhost/busybox /bin/busybox httpd -f -p 80 >/dev/null
check "the published port is there" eventually 10 in_host nc -z $HOSTIP 8088
asks first "
echo '== engine dns'; busybox nslookup forbidden.test 127.0.0.11 2>&1
echo '== published'; for a in $HOSTIP 172.17.0.1 172.17.0.2; do busybox nc -w 2 \$a 8088 </dev/null 2>&1; echo nc \$?; done"
check "the status is CMD's" test $? = 7
closed
check "the engine's own name server leads nowhere" hasnt 'engine dns' "$FORBIDDEN"
check "...and has asked nobody" bash -c "! grep -i 'forbidden.test' '$T/dns.log'"
check "a port that the host publishes is closed" hasnt published 'nc 0'

long --dns-upstream $DNS
execs
check "the image's health check is not run" test "$(docker inspect --format '{{.State.Health}}' egressd-long-agent)" = '<nil>'
check "doctor proves it from inside" ctl doctor long
secret_places() { ! docker inspect egressd-long-sidecar egressd-long-agent | grep -F "$API_TOKEN"; }
check "the token is in no configuration" secret_places
restarts() {
    docker kill egressd-long-sidecar >/dev/null
    comes_back
}
check "a sidecar that dies is started again" restarts
stops_in_order
docker rm -f other >/dev/null
docker network rm other >/dev/null
left_engine() {
    local out
    out=$(docker ps -aq; docker network ls --format '{{.Name}}' | grep egressd; ls -d "$T/registry"/[a-z]* 2>/dev/null; ip -n "$W-host" -o link | grep -E 'br-|veth')
    [ -z "$out" ] || { echo "$out"; return 1; }
}
check "nothing is left" left_engine
check "gc after SIGKILL" crashes left_engine
exit $FAILED
