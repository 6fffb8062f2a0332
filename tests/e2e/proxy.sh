#!/usr/bin/env bash
# The explicit proxy, for clients that are told of one: the same policy, the same log, no way round either.
. "$(dirname "$0")/lib.sh"
BIG=8388608 world_up
export API_TOKEN="tok_$(openssl rand -hex 12)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
      ports: [80, 443, 8443]
    - host: strange.test
    - host: tokens.test
      auth: {scheme: token, token_ref: API_TOKEN}
    - host: private.test
    - host: sealed.test
      tls: splice
    - host: git.test
      git: {fetch: true}
    - host: ssh.wild.test
      protocol: tcp
      ports: [2222]
YAML
in_net python3 - <<'PY' &
import socket, threading
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("93.184.216.10", 2222)); s.listen()
def serve(c):
    c.send(b"SSH-2.0-hello\r\n")
    while d := c.recv(4096): c.send(d)
    c.close()
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
PY
# raw NAME HOST PORT: what the proxy answers to the octets on stdin, and then what is behind it
cat >"$T/raw.py" <<'PY'
import os, socket, ssl, sys
from urllib.parse import urlparse
p = urlparse(os.environ["http_proxy"])
def connect(): return socket.create_connection((p.hostname, p.port), 5)
def answer(s):
    s.settimeout(10)
    out = b""
    while b"\r\n\r\n" not in out:
        d = s.recv(4096)
        if not d: break
        out += d
    return out
def tunnel(target, extra=b""):
    s = connect()
    s.sendall(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target, target, extra))
    return s, answer(s)
def tls(s, name):
    c = ssl.create_default_context()
    return c.wrap_socket(s, server_hostname=name)
def get(s, host, path=b"/"):
    s.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path, host))
    out = b""
    while True:
        try: d = s.recv(65536)
        except OSError: break
        if not d: break
        out += d
    return out
case = sys.argv[1]
if case == "sni":
    s, a = tunnel(b"origin.test:443"); assert b" 200 " in a, a
    print(get(tls(s, "forbidden.test"), b"forbidden.test"))
elif case == "sni2":
    s, a = tunnel(b"origin.test:443"); assert b" 200 " in a, a
    print(get(tls(s, "strange.test"), b"strange.test"))
elif case == "nosni":
    s, a = tunnel(b"origin.test:443"); assert b" 200 " in a, a
    c = ssl.create_default_context(); c.check_hostname = False
    print(get(c.wrap_socket(s), b"origin.test"))
elif case == "host":
    s, a = tunnel(b"origin.test:443")
    print(get(tls(s, "origin.test"), b"strange.test"))
elif case == "plain":
    s, a = tunnel(b"origin.test:80"); assert b" 200 " in a, a
    print(get(s, b"origin.test"))
elif case == "plainhost":
    s, a = tunnel(b"origin.test:80"); assert b" 200 " in a, a
    print(get(s, b"strange.test"))
elif case == "plaintls":
    s, a = tunnel(b"origin.test:80"); assert b" 200 " in a, a
    print(get(tls(s, "origin.test"), b"origin.test"))
elif case == "early":   # everything in one segment
    s = connect()
    s.sendall(b"CONNECT origin.test:80 HTTP/1.1\r\nHost: origin.test:80\r\n\r\nGET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n")
    out = b""
    while d := s.recv(65536): out += d
    print(out)
elif case == "slow":    # one octet a segment
    s = connect()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    import time
    for b in b"CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n":
        s.send(bytes([b])); time.sleep(0.002)
    a = answer(s); assert b" 200 " in a, a
    print(get(tls(s, "origin.test"), b"origin.test"))
elif case == "ssh":
    s, a = tunnel(b"ssh.wild.test:2222")
    while b"hello" not in a: a += s.recv(100)
    s.sendall(b"ping"); assert s.recv(100) == b"ping"; print(a)
elif case == "absolute":
    s = connect()
    f = s.makefile("rb")
    for target, host in ((b"http://origin.test/", b"origin.test"), (b"http://forbidden.test/", b"forbidden.test"),
                         (b"http://ORIGIN.test:80/index.html", b"origin.test"), (b"http://origin.test/", b"forbidden.test")):
        s.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\n\r\n" % (target, host))
        status = f.readline(); n = 0
        while (h := f.readline()) not in (b"\r\n", b""):
            if h.lower().startswith(b"content-length:"): n = int(h.split(b":")[1])
        print(status.split()[1].decode(), f.read(n).decode().strip())
else:
    s = connect()
    s.sendall(bytes(case, "ascii").decode("unicode_escape").encode("latin1"))
    a = answer(s)
    try: a += s.recv(4096)
    except OSError: pass
    print(a)
PY
cat >"$T/cases.sh" <<CASES
mkdir -p $T/out; cd $T/out; export HOME=$T/out
get() { local n=\$1; shift; curl -sS --max-time 20 -o \$n.body -D \$n.head -w '%{http_code} %{http_connect}' "\$@" >\$n.code 2>\$n.err; echo \$? >\$n.status; }
raw() { local n=\$1; shift; timeout 20 python3 $T/raw.py "\$@" >\$n.body 2>\$n.err; echo \$? >\$n.status; }
env >env
get https       -v https://origin.test/
get h2          --http2 https://origin.test/
get http        http://origin.test/
get httpauth    --proxy-user a:b http://origin.test/whoami
get httpsauth   --proxy-user a:b https://origin.test/whoami
get port        https://origin.test:8443/
get badport     https://origin.test:9443/
get tunnelled   --proxytunnel http://origin.test/
get token       -H 'Authorization: mine' https://tokens.test/whoami
get tokenplain  http://tokens.test/whoami
get denied      https://forbidden.test/
get deniedhttp  http://forbidden.test/
get private     https://private.test/
get privatehttp http://private.test/
get sealed      --cacert $T/pki/ca.pem https://sealed.test/
get rawip       https://$ORIGIN/
get rawiphttp   http://$ORIGIN/
get rawprivate  https://10.77.0.1/
get direct      --noproxy '*' https://origin.test/
get big         https://origin.test/big
wget -q -O wget.body https://origin.test/; echo \$? >wget.status
python3 -c 'import urllib.request; print(urllib.request.urlopen("https://origin.test/").read())' >py.body 2>&1; echo \$? >py.status
node -e 'const h=require("http"),t=require("tls"),u=new URL(process.env.https_proxy);
h.request({host:u.hostname,port:u.port,method:"CONNECT",path:"origin.test:443",headers:{host:"origin.test:443"}}).on("connect",(r,s)=>{
const c=t.connect({socket:s,servername:"origin.test"},()=>c.end("GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n"));
c.on("data",d=>process.stdout.write(d))}).end()' >node.body 2>&1; echo \$? >node.status
git clone -q https://git.test/git/repo.git clone >git.body 2>&1; echo \$? >git.status
git clone -q https://forbidden.test/git/repo.git none >gitno.body 2>&1; echo \$? >gitno.status
for c in sni sni2 nosni host plain plainhost plaintls early slow ssh absolute; do raw \$c \$c; done
raw badhost    'CONNECT origin.test:443 HTTP/1.1\\r\\nHost: forbidden.test:443\\r\\n\\r\\n'
raw noport     'CONNECT origin.test HTTP/1.1\\r\\nHost: origin.test\\r\\n\\r\\n'
raw portzero   'CONNECT origin.test:0 HTTP/1.1\\r\\nHost: origin.test:0\\r\\n\\r\\n'
raw otherport  'CONNECT origin.test:22 HTTP/1.1\\r\\nHost: origin.test:22\\r\\n\\r\\n'
raw userinfo   'CONNECT a@origin.test:443 HTTP/1.1\\r\\nHost: origin.test:443\\r\\n\\r\\n'
raw hexip      'CONNECT 0x7f.1:443 HTTP/1.1\\r\\nHost: 0x7f.1:443\\r\\n\\r\\n'
raw self       "CONNECT \$(echo \$http_proxy | sed 's|http://||') HTTP/1.0\\r\\n\\r\\n"
raw http10     'CONNECT forbidden.test:443 HTTP/1.0\\r\\n\\r\\n'
raw twohosts   'CONNECT origin.test:443 HTTP/1.1\\r\\nHost: origin.test:443\\r\\nHost: origin.test:443\\r\\n\\r\\n'
raw barelf     'CONNECT origin.test:443 HTTP/1.1\\nHost: origin.test:443\\n\\n'
raw body       'CONNECT origin.test:443 HTTP/1.1\\r\\nHost: origin.test:443\\r\\nContent-Length: 3\\r\\n\\r\\nabc'
raw httpsabs   'GET https://origin.test/ HTTP/1.1\\r\\nHost: origin.test\\r\\n\\r\\n'
raw tlshello   '\\x16\\x03\\x01\\x00\\x05hello\\r\\n\\r\\n'
CASES
mkdir -m 777 "$T/out"
ctl run --backend netns --proxy-env --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
    --state-dir "$T/state" -- bash "$T/cases.sh" >"$T/run.out" 2>&1 || { not_ok "egressctl run --proxy-env" "$(cat "$T/run.out")"; exit 1; }
o=$T/out
code() { [ "$(cut -c1-3 "$o/$1.code")" = "$2" ] || { echo "$1: $(cat "$o/$1.code"), not $2; $(cat "$o/$1.err" "$o/$1.body" 2>/dev/null | head -c 600)"; return 1; }; }
has() { grep -q -- "$2" "$o/$1.body" || { cat "$o/$1.body" "$o/$1.err" 2>/dev/null; return 1; }; }
fails() { [ "$(cat "$o/$1.status")" != 0 ]; }
refused() { # CASE STATUS REASON   the CONNECT itself is refused, in the contract's form
    [ "$(cut -c5-7 "$o/$1.code")" = "$2" ] && grep -qi '^x-egress-verdict: deny' "$o/$1.head" || { cat "$o/$1.code" "$o/$1.head" "$o/$1.err"; return 1; }
}
answers() { # CASE STATUS REASON   of the raw ones
    grep -q "HTTP/1.1 $2 " "$o/$1.body" && grep -q "\"reason\":\"$3\"" "$o/$1.body" || { cat "$o/$1.body" "$o/$1.err"; return 1; }
}
check "the variables are set" grep -q "^https_proxy=http://.*:3128" "$o/env"
for n in https h2 http port tunnelled httpauth httpsauth direct sealed; do check "$n is allowed" code $n 200; done
check "by CONNECT, not beside it" grep -q 'CONNECT origin.test:443' "$o/https.err"
check "a large body, byte for byte" cmp "$o/big.body" "$T/www/big"
check "Proxy-Authorization goes no further" bash -c "! grep -qi 'proxy-auth' '$T/access.log' '$o/httpauth.body'"
check "the real credential goes on" grep -qF "tokens.test GET /whoami 200 auth=\"token $API_TOKEN\"" "$T/access.log"
check "credentials never go into plaintext" has tokenplain '"reason":"plaintext"'
check "wget" has wget hello
check "python" has py hello
check "node" has node hello
check "git clone" test "$(cat "$o/git.status")" = 0
check "git: a forbidden host" fails gitno
check "a forbidden host: the CONNECT is refused" refused denied 403 no_route
check "a forbidden host, absolute form" has deniedhttp '"reason":"no_route"'
check "a port that the route does not name" refused badport 403 no_route
check "a raw address" refused rawip 403 no_route
check "a raw address, absolute form" has rawiphttp '"reason":"no_route"'
check "a raw private address" refused rawprivate 403 no_route
check "a name with a private address" has private '"reason":"private_address"'
check "a name with a private address, absolute form" has privatehttp '"reason":"private_address"'
check "another name in the tunnel" answers sni 403 host_mismatch
check "another allowed name in the tunnel" answers sni2 403 host_mismatch
check "no name in the tunnel" bash -c "grep -q no_sni '$o/nosni.body'"
check "another Host in the tunnel" answers host 403 host_mismatch
check "plain HTTP in a tunnel" has plain 'hello from'
check "another Host in a plain tunnel" answers plainhost 403 host_mismatch
check "TLS in a tunnel to port 80 does not get out unseen" bash -c "! grep -q 'hello from' '$o/plaintls.body' || grep -q 200 '$o/plaintls.body'"
check "CONNECT and the first request in one segment" has early 'hello from'
check "a CONNECT octet by octet" has slow 'hello from'
check "a tcp route through CONNECT" has ssh SSH-2.0-hello
check "requests to several hosts on one connection" bash -c "sed -n 1p '$o/absolute.body' | grep -q '^200 hello' && sed -n 2p '$o/absolute.body' | grep -q '^403.*no_route' && sed -n 3p '$o/absolute.body' | grep -q '^200' && sed -n 4p '$o/absolute.body' | grep -q '^403.*host_mismatch' || { cat '$o/absolute.body' '$o/absolute.err'; false; }"
check "CONNECT with another Host" answers badhost 403 host_mismatch
check "CONNECT without a port" answers noport 400 malformed
check "CONNECT to port 0" answers portzero 400 malformed
check "CONNECT to another port" answers otherport 403 no_route
check "CONNECT with userinfo" answers userinfo 400 malformed
check "CONNECT to an address in disguise" answers hexip 403 no_route
check "CONNECT to the proxy itself" answers self 403 no_route
check "CONNECT by HTTP/1.0" answers http10 403 no_route
check "CONNECT with two Hosts" answers twohosts 400 malformed
check "CONNECT with bare newlines" answers barelf 400 malformed
check "CONNECT with a body" answers body 400 malformed
check "https in absolute form" answers httpsabs 400 malformed
check "TLS to the proxy's port" answers tlshello 400 malformed
check "the log has the refused CONNECT" logged 'e["event"]=="http" and e["method"]=="CONNECT" and e["verdict"]=="deny" and e["host"]=="forbidden.test" and e["reason"]=="no_route"'
check "the log has the tunnel's flow" logged 'e["event"]=="flow" and e["proxied"] and e["sni"]=="origin.test" and e["mode"]=="bump" and e["dport"]==443'
check "no forbidden name was asked upstream" bash -c "! grep -q 'forbidden' '$T/dns.log'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify

# Off by default; by the policy; other ports; nobody but the agent.
cat >"$T/closed.sh" <<'CASES'
gw=$(ip route | sed -n 's/^default via \([^ ]*\).*/\1/p')
curl -sS --max-time 5 -o /dev/null -w '%{http_code}\n' -x "http://$gw:3128" http://origin.test/ 2>&1
curl -sS --max-time 5 -o /dev/null -w '%{http_code}\n' -x "http://$gw:8080" http://origin.test/ 2>&1
env | grep -i _proxy
CASES
one() { ctl run --backend netns --policy "$1" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS --state-dir "$T/state2" -- bash "$T/closed.sh" 2>&1; }
export API_TOKEN=x
check "off by default" bash -c "[ \"\$(echo '$(one "$T/policy.yaml" | tr "'" ' ')' | grep -c 'Failed to connect\|refused')\" = 2 ]"
{ cat "$T/policy.yaml"; echo 'proxy: {port: 8080}'; } >"$T/policy2.yaml"
out=$(one "$T/policy2.yaml")
check "by the policy, on its port" bash -c "echo '$(tr "'" ' ' <<<"$out")' | grep -q '^200'"
for p in 53 80 443 15001; do
    { cat "$T/policy.yaml"; echo "proxy: {port: $p}"; } >"$T/bad.yaml"
    check "port $p cannot be the proxy's" bash -c "! '$BUILD/egressd' check --policy '$T/bad.yaml' >/dev/null 2>&1"
done
exit $FAILED
