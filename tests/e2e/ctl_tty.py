"""egressctl on a terminal of its own: what a person types reaches CMD as it would without a sandbox."""
import os
import pty
import re
import select
import signal
import sys
import time

CTL = sys.argv[1]


class Terminal:
    def __init__(self, *argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ours may be ignored
            os.execv(argv[0], argv)
        self.seen = b""

    def expect(self, pattern, seconds=10):
        end = time.time() + seconds
        while not re.search(pattern, self.seen):
            left = end - time.time()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"waited for {pattern!r}, saw {self.seen!r}")
            try:
                self.seen += os.read(self.fd, 65536)
            except OSError:
                if not re.search(pattern, self.seen):
                    sys.exit(f"it ended before {pattern!r}: {self.seen!r}")
        found = re.search(pattern, self.seen)
        self.last = found[0]
        self.seen = self.seen[found.end():]

    def type(self, text):
        os.write(self.fd, text)

    def status(self):
        try:
            while os.read(self.fd, 65536):
                pass
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def run(*cmd):
    return Terminal(CTL, "run", "--dns-upstream", "192.0.2.1", "--", *cmd)


t = run("sh", "-c", "test -t 0 && test -t 1 && tty && echo up; sleep 20")
t.expect(b"/dev/console\r\nup")
t.type(b"\x03")
if (s := t.status()) != 130:
    sys.exit(f"Ctrl-C: status {s}")

t = run("bash", "--norc", "-i")
t.expect(rb"[$#] $")
if b"job control" in t.seen:
    sys.exit("bash has no job control")
t.type(b"sleep 30\n")
time.sleep(0.5)
t.type(b"\x1a")
t.expect(b"Stopped")
t.type(b"kill %1; exit 4\n")
t.type(b"exit 4\n")
if (s := t.status()) != 4:
    sys.exit(f"bash: status {s}")

# Ctrl-Z stops CMD and egressctl, whose caller goes on; fg brings both back.
t = Terminal("/bin/bash", "--norc", "-i")
t.expect(rb"[$#] $")
t.type(f"{CTL} run --dns-upstream 192.0.2.1 -- sh -c 'echo go; read x; echo got $x' 2>/dev/null\n".encode())
t.expect(rb"[\r\n]go\r")
t.type(b"\x1a")
t.expect(b"Stopped")
t.type(b"fg\n")
time.sleep(0.5)
t.type(b"word\n")
t.expect(b"got word")
t.type(b"echo status $?; exit 0\n")
t.expect(b"status 0")
t.status()

# In a pipeline the terminal stays with the group, and one Ctrl-C reaches CMD once.
t = Terminal("/bin/bash", "--norc", "-i")
t.expect(rb"[$#] $")
t.type(f"{CTL} run --dns-upstream 192.0.2.1 -- sh -c 'trap \"echo int >/dev/tty; exit 3\" INT; echo go; sleep 20 & wait' | cat\n".encode())
t.expect(rb"[\r\n]go\r")
t.type(b"\x03")
t.expect(b"int")
t.type(b"exit 0\n")
t.status()

# A job of the background: it stops where it wants the terminal, fg gives it that, and what is typed is for all of it.
t = Terminal("/bin/bash", "--norc", "-i")
t.expect(rb"[$#] $")
RUN = f"{CTL} run --dns-upstream 192.0.2.1 -- sh -c".encode()
t.type(RUN + b" 'read x; echo got $x' 2>/dev/null &\n")
for _ in range(100):
    t.type(b"jobs\n")
    t.expect(rb"\[1\]\+ +\w+")
    if b"Stopped" in t.last:
        break
    time.sleep(0.1)
else:
    sys.exit(f"a job that waits for the terminal does not stop: {t.last!r}")
t.type(b"fg\n")
t.expect(rb"echo got \$x'[^\n]*\n")
t.type(b"word\n")
t.expect(b"got word")
t.type(RUN + b" 'echo go; sleep 30; echo never' 2>/dev/null &\n")
t.expect(rb"go\r\n")
t.type(b"fg\n")
t.expect(rb"echo never'[^\n]*\n")
time.sleep(0.3)
t.type(b"\x03")
t.expect(rb"[$#] $")
t.type(b"echo status $?\n")
t.expect(b"status 130")
# One that ends in the background leaves the terminal with the shell.
t.type(RUN + b" 'echo go; sleep 2; echo end' 2>/dev/null\n")
t.expect(rb"go\r\n")
time.sleep(0.5)  # a shell that is just starting a process cannot be stopped
t.type(b"\x1a")
t.expect(b"Stopped")
t.type(b"bg\n")
t.expect(rb"end\r\n")
t.type(b"echo still ''here; exit 0\n")
t.expect(b"still here")
t.status()
