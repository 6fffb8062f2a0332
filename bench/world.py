"""The world of the benchmark: three network namespaces, a PKI, an origin and a DNS server.

    agent 10.91.0.2 -- 10.91.0.1 side 10.92.0.1 -- 10.92.0.10 up      up.bench.test, and
                                                    10.92.1.1 ...     h00.bench.test ... (nginx)
                                                    10.92.0.53        DNS (nsd)

`side` is made anew for each contender, so that no rule or connection of the one before is left in it.
Everything is below one folder in /dev/shm and is removed at the end, whatever happens.
"""
import os
import resource
import shutil
import signal
import subprocess
import time

ZONE = "bench.test"
HOST = "up." + ZONE
GATEWAY, UP, DNS = "10.91.0.1", "10.92.0.10", "10.92.0.53"
HOSTS_NET = "10.92.1"
HOSTS = 100
EVENTS_PORT = 8444
PACED = 8000
LOAD_CPU, PROXY_CPU = "1", "0"   # client and servers; the contender


def sh(*cmd, ok=True, **kw):
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    if ok and r.returncode:
        raise RuntimeError(f"{' '.join(cmd)}: {r.stdout.strip()}")
    return r.stdout


class World:
    def __init__(self, bulk_mib):
        self.tag = f"eb{os.getpid()}"
        self.dir = f"/dev/shm/egress-bench.{os.getpid()}"
        self.agent, self.side, self.up = (f"{self.tag}-{n}" for n in ("agent", "side", "up"))
        self.pki = self.dir + "/pki"
        self.bulk = bulk_mib << 20
        self.children = []

    def inside(self, ns, cpu, *cmd):
        return ["ip", "netns", "exec", ns, "taskset", "-c", cpu, *cmd]

    def spawn(self, cmd, log, **kw):
        with open(log, "ab") as out:
            p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **kw)
        self.children.append(p)
        return p

    def end(self, p):
        """Ends a child of spawn() with all of its session."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(p.pid, sig)
                p.wait(8)
                break
            except ProcessLookupError:
                p.wait()
                break
            except subprocess.TimeoutExpired:
                pass
        for pid in os.listdir("/proc"):          # what made a group of its own
            try:
                if pid.isdigit() and os.getsid(int(pid)) == p.pid:
                    os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        if p in self.children:
            self.children.remove(p)

    # ---- making

    def make(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        os.makedirs(self.pki)
        os.chmod(self.dir, 0o755)
        for ns in (self.agent, self.up):
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
            self.tune(ns)
        os.makedirs(f"/etc/netns/{self.agent}")
        with open(f"/etc/netns/{self.agent}/hosts", "w") as f:
            f.write(f"127.0.0.1 localhost\n{UP} {HOST}\n")
        sh("ip", "-n", self.up, "addr", "add", f"{DNS}/32", "dev", "lo")
        sh("ip", "-n", self.up, "route", "add", "local", f"{HOSTS_NET}.0/24", "dev", "lo")
        self.make_pki()
        self.make_origin()
        self.make_dns()
        self.new_side()

    def tune(self, ns):
        sh("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.ip_local_port_range=1100 65000",
           "net.ipv4.tcp_tw_reuse=1", "net.core.somaxconn=8192", "net.ipv4.tcp_max_syn_backlog=8192",
           "net.ipv4.icmp_ratelimit=0")

    def new_side(self):
        sh("ip", "netns", "del", self.side, ok=False)
        for _ in range(200):
            if "ea0" not in sh("ip", "-n", self.agent, "-o", "link") and "eu0" not in sh("ip", "-n", self.up, "-o", "link"):
                break
            time.sleep(0.02)
        sh("ip", "netns", "add", self.side)
        for ns, a, b, theirs, ours in ((self.agent, "ea0", "es0", "10.91.0.2/24", GATEWAY + "/24"),
                                       (self.up, "eu0", "es1", UP + "/24", "10.92.0.1/24")):
            sh("ip", "link", "add", a, "netns", ns, "type", "veth", "peer", "name", b, "netns", self.side)
            sh("ip", "-n", ns, "addr", "add", theirs, "dev", a)
            sh("ip", "-n", self.side, "addr", "add", ours, "dev", b)
            sh("ip", "-n", ns, "link", "set", a, "up")
            sh("ip", "-n", self.side, "link", "set", b, "up")
        sh("ip", "-n", self.side, "link", "set", "lo", "up")
        sh("ip", "-n", self.side, "route", "add", "default", "via", UP)
        sh("ip", "-n", self.agent, "route", "add", "default", "via", GATEWAY)
        sh("ip", "-n", self.up, "route", "add", "default", "via", "10.92.0.1")
        self.tune(self.side)
        sh("ip", "netns", "exec", self.side, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
           "net.ipv4.conf.default.rp_filter=0")

    def redirect(self, port):
        rules = ("table ip bench { chain pre { type nat hook prerouting priority dstnat; "
                 f"iifname es0 tcp dport 443 redirect to :{port}; }}; }}")
        sh("ip", "netns", "exec", self.side, "nft", rules)

    def make_ca(self, name, key):
        sh("openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "30", "-subj", f"/O=bench/CN={name}",
           "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
           "-keyout", f"{self.pki}/{name}.key", "-out", f"{self.pki}/{name}.pem")

    def make_pki(self):
        ec = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        self.make_ca("origin-ca", ec)
        self.make_ca("ca", ec)                # the interceptors'
        self.make_ca("rsa-ca", ("rsa:2048",))
        sh("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{self.pki}/leaf.key")
        for ca, out in (("origin-ca", "origin"), ("ca", "static")):
            sh("openssl", "req", "-x509", "-key", f"{self.pki}/leaf.key", "-days", "20", "-subj", "/CN=bench",
               "-addext", f"subjectAltName=DNS:*.{ZONE}", "-addext", "basicConstraints=critical,CA:FALSE",
               "-addext", "extendedKeyUsage=serverAuth", "-CA", f"{self.pki}/{ca}.pem",
               "-CAkey", f"{self.pki}/{ca}.key", "-out", f"{self.pki}/{out}.crt")
        sh("chmod", "-R", "a+rX", self.pki)

    def make_origin(self):
        d = self.dir + "/origin"
        os.makedirs(d + "/www")
        for name, size in (("1k", 1024), ("100k", 102400)):
            with open(f"{d}/www/{name}", "wb") as f:
                f.write((b"The quick brown fox jumps over the lazy dog, and goes on. " * (size // 58 + 1))[:size])
        with open(f"{d}/www/big", "wb") as f:
            f.truncate(self.bulk)
        with open(d + "/nginx.conf", "w") as f:
            f.write(f"""user root; worker_processes 1; daemon off; pid {d}/pid; error_log {d}/error.log error;
worker_rlimit_nofile 20000; events {{ worker_connections 19000; }}
http {{ access_log off; sendfile on; tcp_nopush on; default_type text/plain; types {{ text/html html; application/json json; }}
  keepalive_timeout 900s;
  keepalive_requests 100000000; client_max_body_size 0; client_body_temp_path {d}/body; proxy_temp_path {d}/p;
  fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
  ssl_certificate {self.pki}/origin.crt; ssl_certificate_key {self.pki}/leaf.key;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:8m;
  server {{ listen 127.0.0.1:8099; location / {{ return 200 "taken\\n"; }} }}
  server {{ listen 443 ssl http2 backlog=8192; http2_max_requests 100000000; root {d}/www;
    location = /sink {{ client_body_buffer_size 1m; proxy_pass http://127.0.0.1:8099; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; }} }} }}
""")
        self.spawn(self.inside(self.up, LOAD_CPU, "nginx", "-c", d + "/nginx.conf"), d + "/log")

    def make_dns(self):
        d = self.dir + "/dns"
        os.makedirs(d)
        with open(d + "/zone", "w") as f:
            f.write(f"$ORIGIN {ZONE}.\n$TTL 3600\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A {DNS}\nup A {UP}\n")
            for i in range(HOSTS):
                f.write(f"h{i:02} A {HOSTS_NET}.{i + 1}\n")
            for i in range(10000):
                f.write(f"n{i:05} A 10.93.{i // 250}.{i % 250 + 1}\n")
            for i in range(PACED):
                f.write(f"p{i:05} A 10.94.{i // 250}.{i % 250 + 1}\n")
        with open(d + "/conf", "w") as f:
            f.write(f"""server:
  ip-address: {DNS}
  server-count: 1
  username: ""
  database: ""
  zonesdir: "{d}"
  pidfile: "{d}/pid"
  xfrdfile: "{d}/xfrd"
  zonelistfile: "{d}/list"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: {ZONE}
  zonefile: zone
""")
        with open(d + "/hot", "w") as f:
            f.writelines(f"h{i:02}.{ZONE} A\n" for i in range(HOSTS))
        with open(d + "/cold", "w") as f:
            f.writelines(f"n{i:05}.{ZONE} A\n" for i in range(10000))
        with open(d + "/paced", "w") as f:
            f.writelines(f"p{i:05}.{ZONE} A\n" for i in range(PACED))
        self.dns = self.spawn(self.inside(self.up, LOAD_CPU, "nsd", "-d", "-c", d + "/conf"), d + "/log")

    # ---- unmaking

    def unmake(self):
        for p in list(self.children):
            self.end(p)
        for ns in (self.agent, self.side, self.up):
            sh("ip", "netns", "del", ns, ok=False)
            shutil.rmtree(f"/etc/netns/{ns}", ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)
