"""The hostile agent looks for a way out of its namespaces, back to privilege, or to what others hold. Each case must fail.

usage: attack_sandbox.py WORLD-DIRECTORY       prints "ok NAME" or "not ok NAME: why"
The world's directory holds baits: socket, suid, caps (see attack_sandbox.sh).
"""
import array, ctypes, errno, fcntl, glob, mmap, os, re, signal, socket, stat, struct, subprocess, sys

T = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
TOKEN = re.compile(rb"bait-token-[0-9a-f]{16}")


def report(name, fine, why=""):
    print(f"ok {name}" if fine else f"not ok {name}: {why}", flush=True)


def call(nr, *args):
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return r, ctypes.get_errno()


def refused(name, nr, *args, errors=(errno.EPERM, errno.ENOSYS, errno.EACCES)):
    """In a child: some would change us."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        result, err = call(nr, *args)
        os.write(w, struct.pack("qi", result, err))
        os._exit(0)
    os.close(w)
    got = os.read(r, 12)
    os.close(r)
    os.waitpid(pid, 0)
    result, err = struct.unpack("=qi", got) if len(got) == 12 else (-1, 0)
    report(name, result < 0 and (not got or err in errors), f"result {result}, {errno.errorcode.get(err, err)}")


def must_fail(name, action, *args):
    try:
        got = action(*args)
    except (OSError, subprocess.SubprocessError) as e:
        return report(name, True)
    report(name, False, f"it worked: {got!r:.200}")


def read(path, n=1 << 20):
    with open(path, "rb") as f:
        return f.read(n)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def system_calls():
    NEW = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000, "time": 0x80}
    for name, flag in NEW.items():
        refused(f"unshare: {name} namespace", 272, flag)
        if name != "time":
            refused(f"clone: {name} namespace", 56, flag | signal.SIGCHLD, 0, 0, 0, 0)
    refused("unshare: user and net namespace at once", 272, 0x50000000)
    refused("unshare with high bits set in the argument", 272, 0x10000000 | 1 << 40)
    args = ctypes.create_string_buffer(struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
    refused("clone3", 435, ctypes.c_void_p(ctypes.addressof(args)), 64)
    for kind in ("net", "mnt", "pid", "user", "ipc", "uts"):
        for pid in ("1", "self"):
            try:
                fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
            except OSError:
                report(f"setns: {kind} of {pid}", True)
                continue
            refused(f"setns: {kind} of {pid}", 308, fd, 0)
            os.close(fd)
    for path in glob.glob("/run/netns/*") + glob.glob("/var/run/netns/*"):
        report(f"{path} is hidden", False, "named network namespaces of the host are in sight")
    a, b, c = (ctypes.c_char_p(x) for x in (b"none", b"/mnt", b"tmpfs"))
    refused("mount", 165, a, b, c, 0, 0)
    refused("umount", 166, b, 0)
    refused("chroot", 161, ctypes.c_char_p(b"/tmp"))
    refused("pivot_root", 155, b, b)
    refused("open_tree", 428, -100, b, 1)
    refused("move_mount", 429, -100, b, -100, b, 0)
    refused("fsopen", 430, c, 0)
    refused("open_by_handle_at", 304, 3, b, 0)
    refused("bpf", 321, 5, 0, 0)
    refused("io_uring_setup", 425, 8, b)
    refused("keyctl", 250, 0, -3, 0, 0)
    refused("add_key", 248, c, c, c, 1, -3)
    refused("perf_event_open", 298, b, 0, -1, -1, 0)
    refused("userfaultfd", 323, 0)
    refused("init_module", 175, b, 1, b)
    refused("kexec_load", 246, 0, 0, 0, 0)
    refused("reboot", 169, 0xfee1dead, 672274793, 0)
    refused("syslog", 103, 3, b, 1)
    refused("iopl", 172, 3)
    refused("setuid(0)", 105, 0)
    refused("setresgid(0)", 119, 0, 0, 0)
    refused("setgroups", 116, 1, ctypes.c_char_p(struct.pack("i", 0)))
    refused("prctl: securebits", 157, 28, 0, 0, 0, 0)
    refused("prctl: ambient capability", 157, 47, 2, 12, 0, 0, errors=(errno.EPERM, errno.EINVAL))
    report("prctl: no_new_privs cannot be taken back", call(157, 38, 0, 0, 0, 0)[0] < 0 and call(157, 39, 0, 0, 0, 0)[0] == 1)
    status = read("/proc/self/status").decode()
    for line in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        report(f"no capability: {line}", re.search(rf"{line}:\s*0+$", status, re.M), status)
    report("a filter is in place", re.search(r"Seccomp:\s*2", status), status)
    report("no supplementary group but one's own", not re.search(r"Groups:.*\b0\b", status), status)
    # x32 and i386 have other numbers for the same calls.
    report("x32 system calls", call(0x40000000 + 41, 17, 3, 0) == (-1, errno.ENOSYS))
    pid = os.fork()
    if pid == 0:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, getpid; int 0x80; ret
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        os._exit(0)
    report("i386 system calls", os.WIFSIGNALED(os.waitpid(pid, 0)[1]), "int 0x80 came back")


def sockets():
    families = {"packet": 17, "key": 15, "vsock": 40, "alg": 38, "xdp": 44, "tipc": 30, "bluetooth": 31, "can": 29, "rds": 21, "llc": 26, "ax25": 3, "netrom": 6, "ieee802154": 36, "nfc": 39, "smc": 43, "kcm": 41, "qipcrtr": 42, "phonet": 35, "mctp": 45, "x25": 9, "appletalk": 5, "ipx": 4, "decnet": 12}
    for name, family in families.items():
        for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            try:
                socket.socket(family, kind, 0).close()
            except OSError:
                continue
            report(f"AF_{name} sockets", False, f"kind {kind}")
            break
        else:
            report(f"AF_{name} sockets", True)
    for family in (socket.AF_INET, socket.AF_INET6):
        for protocol in (0, 1, 6, 17, 58, 255):
            must_fail(f"raw sockets, family {family} protocol {protocol}", socket.socket, family, socket.SOCK_RAW, protocol)
        must_fail(f"raw sockets with flags, family {family}", socket.socket, family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 255)
    refused("socket() with high bits in the type", 41, socket.AF_INET, socket.SOCK_RAW | 1 << 40, 255)
    refused("socket() with high bits in the family", 41, 17 | 1 << 40, socket.SOCK_RAW, 0x0300, errors=(errno.EPERM, errno.EAFNOSUPPORT))
    for protocol in range(0, 23):
        if protocol in (0, 4, 15):
            continue
        must_fail(f"netlink protocol {protocol}", socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    for level, option, name, value in [(1, 36, "SO_MARK", 0x45470004), (1, 33, "SO_RCVBUFFORCE", 1 << 20), (1, 5, "SO_DONTROUTE", 1), (0, 19, "IP_TRANSPARENT", 1), (0, 3, "IP_HDRINCL", 1), (0, 35, "IP_XFRM_POLICY", 1), (6, 19, "TCP_REPAIR", 1)]:
        s = socket.socket()
        must_fail(f"setsockopt {name}", s.setsockopt, level, option, value)
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    for name, kind, body in [
        ("a new default route", 24, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 3, 253, 1, 0) + struct.pack("HHI", 8, 4, 2)),
        ("deleting the route", 25, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)),
        ("a new address", 20, struct.pack("BBBBI", 2, 24, 0, 0, 2) + struct.pack("HH4s", 8, 2, bytes([10, 77, 0, 99]))),
        ("a new link", 16, struct.pack("BxHiII", 0, 0, 0, 1, 1) + struct.pack("HH8s", 12, 3, b"evil0\0\0\0") + struct.pack("HHHH6s2x", 16, 18, 10, 1, b"dummy\0")),
        ("a neighbour", 28, struct.pack("BxxxiHBB", 2, 2, 0x80, 0, 0) + struct.pack("HH4s", 8, 1, bytes([10, 77, 0, 2]))),
        ("a rule", 32, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)),
    ]:
        s.sendto(struct.pack("IHHII", 16 + len(body), kind, 0x605, 1, 0) + body, (0, 0))
        answer = s.recv(65536)
        error = struct.unpack_from("i", answer, 16)[0]
        report(f"netlink: {name}", error in (-errno.EPERM, -errno.EACCES), f"error {error}")
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for name, request in [("SIOCSIFADDR", 0x8916), ("SIOCSIFFLAGS", 0x8914), ("SIOCADDRT", 0x890B), ("SIOCDELRT", 0x890C), ("SIOCSARP", 0x8955), ("SIOCSIFHWADDR", 0x8924), ("SIOCSIFNAME", 0x8923), ("SIOCSIFMTU", 0x8922), ("SIOCBRADDBR", 0x89A0)]:
        must_fail(f"ioctl {name}", fcntl.ioctl, u, request, struct.pack("16s24x", b"eth0"))


def others():
    """Processes, descriptors, files, and what they hold."""
    mine = os.getpid()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        fine = int(fd) <= 2 or target.startswith(f"/proc/{mine}/fd")
        report(f"descriptor {fd}", fine, f"inherited: {target}")
    pids = [p for p in os.listdir("/proc") if p.isdigit() and int(p) != mine]
    report("no process of the host in sight", len(pids) < 12, str(pids))
    for p in pids:
        if os.stat(f"/proc/{p}").st_uid == os.getuid() and b"attack" in read(f"/proc/{p}/cmdline"):
            continue
        for name in ("environ", "maps", "mem", "auxv", "stack", "syscall"):
            must_fail(f"/proc/{p}/{name}", read, f"/proc/{p}/{name}")
        for name in ("root", "cwd", "exe", "fd", "ns/net", "map_files"):
            must_fail(f"/proc/{p}/{name}", os.listdir if name in ("fd", "map_files") else os.readlink, f"/proc/{p}/{name}")
        must_fail(f"/proc/{p}/root/ as a path", os.listdir, f"/proc/{p}/root/")
        refused(f"ptrace attach {p}", 101, 16, int(p), 0, 0)
        refused(f"ptrace seize {p}", 101, 0x4206, int(p), 0, 0)
        buffer = ctypes.create_string_buffer(64)
        iov = struct.pack("QQ", ctypes.addressof(buffer), 64)
        refused(f"process_vm_readv {p}", 310, int(p), ctypes.c_char_p(iov), 1, ctypes.c_char_p(struct.pack("QQ", 0x400000, 64)), 1, 0, errors=(errno.EPERM, errno.EFAULT))
        for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP):
            must_fail(f"signal {sig} to {p}", os.kill, int(p), sig)
        must_fail(f"pidfd_getfd of {p}", lambda: os.strerror(0) if call(438, os.pidfd_open(int(p)), 0, 0)[0] >= 0 else (_ for _ in ()).throw(OSError()))
    hits = []
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try:
            if TOKEN.search(read(path)):
                hits.append(path)
        except OSError:
            pass
    for top in ("/run", "/tmp", "/var/run", "/var/lib", "/dev/shm", "/etc", "/var/log", os.environ.get("HOME", "/nonexistent")):
        for folder, _, files in os.walk(top):
            for name in files:
                path = os.path.join(folder, name)
                try:
                    if stat.S_ISREG(os.lstat(path).st_mode) and os.path.getsize(path) < 1 << 22 and TOKEN.search(read(path, 1 << 22)):
                        hits.append(path)
                except OSError:
                    pass
    report("no file or process that I can read holds a credential", not hits, str(hits))
    hits = []
    for line in read("/proc/self/maps").decode().splitlines():
        span, perms = line.split()[:2]
        if "r" not in perms or "[v" in line:
            continue
        start, end = (int(x, 16) for x in span.split("-"))
        try:
            with open("/proc/self/mem", "rb", 0) as f:
                f.seek(start)
                if TOKEN.search(f.read(end - start)):
                    hits.append(line)
        except OSError:
            pass
    report("nor does my memory", not hits, str(hits))
    for path in [f"{T}/state", "/var/lib/egressd"]:
        try:
            there = os.listdir(path)
        except OSError:
            there = []
        report(f"{path.replace(T, '')} shows nothing", not there, str(there))
    s = socket.socket(socket.AF_UNIX)
    must_fail("a socket of the host's in a folder that I can see", s.connect, f"{T}/bait.sock")
    must_fail("an abstract socket of the host's", s.connect, f"\0{os.path.basename(T)}")
    must_fail("shared memory of the host's", read, "/dev/shm/" + os.path.basename(T))
    report("System V memory of the host's", libc.shmget(0x5EC4E7, 0, 0) < 0)
    for line in read("/proc/net/unix").decode().splitlines()[1:]:
        words = line.split()
        if len(words) > 7:
            report(f"no foreign socket {words[7]}", words[7].startswith("/tmp/") is False and "egress" not in words[7], line)
    for path, data in [("/proc/sys/net/ipv4/ip_forward", b"1"), ("/proc/sys/net/ipv4/conf/all/accept_redirects", b"1"), ("/proc/sys/kernel/core_pattern", b"|/tmp/x"), ("/proc/sys/net/ipv6/conf/all/disable_ipv6", b"0"), ("/proc/sys/kernel/modprobe", b"/tmp/x"), ("/proc/sysrq-trigger", b"h"),
                       ("/etc/resolv.conf", b"nameserver 8.8.8.8\n"), ("/etc/hosts", b"x"), ("/etc/ld.so.preload", b"x"), ("/proc/1/oom_score_adj", b"-1000"), ("/sys/kernel/uevent_helper", b"/tmp/x"), ("/proc/1/setgroups", b"deny"), ("/proc/self/uid_map", b"0 0 1")]:
        must_fail(f"writing {path}", write, path, data)
    for path in ("/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/net/tun", "/dev/vhost-net", "/dev/vsock", "/dev/kvm", "/dev/fuse", "/dev/sda", "/dev/vda", "/proc/kpagecount", "/dev/userfaultfd"):
        must_fail(f"opening {path}", os.open, path, os.O_RDWR)
    for folder in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:50] + glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True)[:50]:
        must_fail(f"writing {folder}", os.open, folder, os.O_WRONLY)
    must_fail("TIOCSTI", fcntl.ioctl, 0, 0x5412, b"x")
    must_fail("TIOCLINUX", fcntl.ioctl, 0, 0x541C, b"\x02")
    out = subprocess.run([f"{T}/suid", "-u"], capture_output=True, text=True).stdout.strip()
    report("a set-user-ID program", out == str(os.getuid()), f"it ran as {out}")
    must_fail("a program with file capabilities", subprocess.check_output, [f"{T}/caps", "-c", "import socket; socket.socket(17, 3, 0)"])
    for words in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["pkexec", "id", "-u"], ["mount", "-t", "tmpfs", "x", "/mnt"], ["unshare", "-Urn", "id", "-u"], ["nsenter", "-t", "1", "-n", "id", "-u"], ["newuidmap", "1", "0", "0", "1"], ["ip", "route", "replace", "default", "via", "10.77.0.1"], ["ip", "link", "set", "eth0", "down"],
                  ["nft", "flush", "ruleset"], ["iptables", "-F"], ["ip", "netns", "exec", "x", "id"], ["tcpdump", "-i", "any", "-c", "1"], ["crontab", "-l"], ["systemd-run", "--user", "id"], ["bwrap", "--unshare-user", "--dev-bind", "/", "/", "id"]):
        try:
            p = subprocess.run(words, capture_output=True, timeout=5, stdin=subprocess.DEVNULL)
            report(" ".join(words), p.returncode != 0, p.stdout.decode(errors="replace"))
        except (OSError, subprocess.TimeoutExpired):
            report(" ".join(words), True)
    must_fail("a core file", lambda: [f for f in glob.glob(f"{T}/core*")][0] if glob.glob(f"{T}/core*") else (_ for _ in ()).throw(OSError()))


system_calls()
sockets()
others()
