"""Who is compared: how each is configured and started. Access logs of the peers are off; egressd's audit log is on.

A contender is a function World, folder -> (argv, port). The port whose socket means "it listens"; 0: the program says so itself.
"""
import os
import shutil
import subprocess

import world as w

BUILD = os.environ.get("BUILD", "build")
EGRESSD = os.path.abspath(BUILD + "/egressd")
EGRESSCTL = os.path.abspath(BUILD + "/egressctl")
PORT = 8443


def write(path, text, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def egressd(world, d, tls="bump", scan=False, routes=0, scanned_too=""):
    """scanned_too: a host that is scanned while the others are not."""
    more = "".join(f"    - host: r{i}.example.com\n" for i in range(routes))
    more += f"    - {{host: {scanned_too}, allow_private: true}}\n" if scanned_too else ""
    keys = "" if scan else "      dlp: {outbound_detectors: false, inbound_detectors: false}\n"
    keys = "      tls: splice\n" if tls == "splice" else keys
    write(d + "/policy.yaml", f"version: 1\negress:\n  routes:\n{more}    - host: \"*.{w.ZONE}\"\n      allow_private: true\n      ports: [80, 443, {w.EVENTS_PORT}]\n"
          f"{keys}dns: {{wildcard_labels_per_minute: 1000000}}\n")
    os.makedirs(d + "/ca")
    shutil.copy(world.pki + "/ca.pem", d + "/ca/ca.crt")
    shutil.copy(world.pki + "/ca.key", d + "/ca/ca.key")
    os.chmod(d + "/ca/ca.key", 0o600)
    return [EGRESSD, "run", "--policy", d + "/policy.yaml", "--agent-if", "es0", "--uplink-if", "es1", "--state-dir", d + "/state",
            "--ca-dir", d + "/ca", "--dns-upstream", w.DNS, "--upstream-ca", world.pki + "/origin-ca.pem", "--engines", "1"], 0


def nginx_main(d):
    return f"user root; worker_processes 1; daemon off; pid {d}/pid; error_log {d}/error.log error;\n" \
           "worker_rlimit_nofile 20000; events { worker_connections 19000; }\n"


def nginx_stream(world, d):
    conf = write(d + "/conf", "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n" + nginx_main(d) +
                 f"stream {{ resolver {w.DNS} ipv6=off; map $ssl_preread_server_name $to {{ default 127.0.0.1:9; "
                 f"~^[a-z0-9]+\\.bench\\.test$ $ssl_preread_server_name:443; }}\n"
                 f"  server {{ listen {PORT} backlog=8192; ssl_preread on; proxy_pass $to; proxy_timeout 900s; }} }}\n")
    return ["nginx", "-c", conf], PORT


def nginx_static(world, d):
    conf = write(d + "/conf", nginx_main(d) + f"""http {{ access_log off; keepalive_timeout 900s; keepalive_requests 100000000;
  client_max_body_size 0; client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u;
  scgi_temp_path {d}/s; ssl_certificate {world.pki}/static.crt; ssl_certificate_key {world.pki}/leaf.key;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_request_buffering off;
  proxy_ssl_verify on; proxy_ssl_trusted_certificate {world.pki}/origin-ca.pem; proxy_ssl_server_name on; proxy_ssl_name $host;
  proxy_max_temp_file_size 0; resolver {w.DNS} ipv6=off;
  upstream {w.HOST} {{ server {w.UP}:443; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen {PORT} ssl http2 backlog=8192; http2_max_requests 100000000; server_name {w.HOST}; location / {{ proxy_pass https://{w.HOST}; }} }}
  server {{ listen {PORT} ssl; server_name *.{w.ZONE}; location / {{ proxy_pass https://$host; }} }} }}
""")
    return ["nginx", "-c", conf], PORT


def haproxy(world, d, bump=True):
    mode = "http" if bump else "tcp"
    if bump:     # with an EC leaf key it drops the first connection to each new name
        w.sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "20", "-subj", "/CN=none.invalid",
             "-CA", world.pki + "/ca.pem", "-CAkey", world.pki + "/ca.key", "-keyout", d + "/k", "-out", d + "/c")
        write(d + "/leaf.pem", open(d + "/c").read() + open(d + "/k").read())
        write(d + "/ca.pem", open(world.pki + "/ca.pem").read() + open(world.pki + "/ca.key").read())
        front = f"bind 0.0.0.0:{PORT} ssl crt {d}/leaf.pem generate-certificates ca-sign-file {d}/ca.pem"
        back = f"http-reuse always\n server s 0.0.0.0:0 ssl sni ssl_fc_sni ca-file {world.pki}/origin-ca.pem verify required"
    else:
        front = f"bind 0.0.0.0:{PORT}\n tcp-request inspect-delay 5s\n" \
                f" tcp-request content accept if {{ req.ssl_sni -m end .{w.ZONE} }}\n tcp-request content reject"
        back = "server s 0.0.0.0:0"
    conf = write(d + "/conf", f"""global
 nbthread 1
 maxconn 6000
 tune.ssl.ssl-ctx-cache-size 2000
 tune.ssl.default-dh-param 2048
defaults
 mode {mode}
 timeout connect 10s
 timeout client 900s
 timeout server 900s
 {"timeout http-keep-alive 900s" if bump else "option splice-auto"}
frontend f
 {front}
 default_backend b
backend b
 {back}
""")
    return ["haproxy", "-db", "-f", conf], PORT


def sslsplit(world, d):
    return ["env", f"SSL_CERT_FILE={world.pki}/origin-ca.pem", "sslsplit", "-D", "-u", "root", "-o", "VerifyPeer=yes", "-k",
            world.pki + "/ca.key", "-c", world.pki + "/ca.pem", "-K", world.pki + "/leaf.key", "ssl", "0.0.0.0", str(PORT), "netfilter"], PORT


def mitmproxy(world, d):
    write(d + "/mitmproxy-ca.pem", open(world.pki + "/rsa-ca.key").read() + open(world.pki + "/rsa-ca.pem").read())
    return ["mitmdump", "--mode", "transparent", "--listen-port", str(PORT), "-q", "--set", "flow_detail=0", "--set", "confdir=" + d,
            "--set", f"ssl_verify_upstream_trusted_ca={world.pki}/origin-ca.pem", "--set", "stream_large_bodies=1m"], PORT


def squid(world, d):
    certgen = "/usr/lib/squid/security_file_certgen"
    write(d + "/ca.pem", open(world.pki + "/ca.pem").read() + open(world.pki + "/ca.key").read())
    w.sh(certgen, "-c", "-s", d + "/db", "-M", "16MB")
    w.sh("chown", "-R", "proxy:", d)
    conf = write(d + "/conf", f"""http_port 127.0.0.1:3128
https_port {PORT} intercept ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=16MB cert={d}/ca.pem
sslcrtd_program {certgen} -s {d}/db -M 16MB
sslcrtd_children 5 startup=2 idle=1
tls_outgoing_options cafile={world.pki}/origin-ca.pem flags=NO_DEFAULT_CA
acl hello at_step SslBump1
ssl_bump peek hello
ssl_bump bump all
http_access allow all
cache deny all
access_log none
cache_log {d}/cache.log
cache_effective_user proxy
pid_filename none
coredump_dir {d}
shutdown_lifetime 0 seconds
pinger_enable off
netdb_filename none
max_filedescriptors 20000
dns_nameservers {w.DNS}
visible_hostname bench
client_idle_pconn_timeout 15 minutes
pconn_timeout 15 minutes
""")
    return ["squid", "-N", "-f", conf], PORT


def unbound(world, d):
    conf = write(d + "/conf", f"""server:
  interface: {w.GATEWAY}
  access-control: 10.91.0.0/24 allow
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{d}"
  pidfile: ""
  use-syslog: no
  do-ip6: no
  do-daemonize: no
  module-config: "iterator"
  local-zone: "test." nodefault
  do-not-query-localhost: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {w.DNS}
""")
    return ["unbound", "-d", "-c", conf], 53


def dnsmasq(world, d):
    conf = write(d + "/conf", f"no-resolv\nno-hosts\nserver={w.DNS}\nlisten-address={w.GATEWAY}\nbind-interfaces\ncache-size=10000\n"
                 f"dns-forward-max=5000\nuser=root\npid-file={d}/pid\n")
    return ["dnsmasq", "-k", "-C", conf], 53


# kind, name, program, how; "ref" is for orientation only and never the best peer
ALL = [
    ("bump", "egressd", EGRESSD, egressd),
    ("bump", "haproxy", "haproxy", haproxy),
    ("bump", "sslsplit", "sslsplit", sslsplit),
    ("bump", "squid", "squid", squid),
    ("bump", "mitmproxy", "mitmdump", mitmproxy),
    ("ref", "nginx, static", "nginx", nginx_static),
    ("splice", "egressd", EGRESSD, lambda world, d: egressd(world, d, tls="splice")),
    ("splice", "nginx stream", "nginx", nginx_stream),
    ("splice", "haproxy", "haproxy", lambda world, d: haproxy(world, d, bump=False)),
    ("dns", "egressd", EGRESSD, egressd),
    ("dns", "unbound", "unbound", unbound),
    ("dns", "dnsmasq", "dnsmasq", dnsmasq),
]


def version(program):
    for flag in ("-V", "--version", "-v"):
        try:
            r = subprocess.run([program, flag], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            return "?"
        for line in r.stdout.splitlines():
            if any(c.isdigit() for c in line) and "nknown" not in line and "nvalid" not in line and "FATAL" not in line:
                return line.split(" - ")[0].split("  ")[0].strip()[:60]
    return "?"
