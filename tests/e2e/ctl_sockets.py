"""Unix sockets of a host, bound in every way that hides where they are from a list of names.

usage: ctl_sockets.py DIRECTORY             makes them in DIRECTORY/srv, then the file DIRECTORY/bound, and waits to be killed
       ctl_sockets.py --knock DIRECTORY...  prints those that answer
"""
import ctypes, glob, os, signal, socket, subprocess, sys

kept = []


def listen(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen()
    kept.append(s)


def child(action):
    r, w = os.pipe()
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        action()
        os.close(w)
        signal.pause()
    os.close(w)
    os.read(r, 1)  # until it is bound, or dead


def other_mounts():
    ctypes.CDLL(None).unshare(0x20000)
    os.mkdir(f"{TOP}/elsewhere")
    subprocess.run(f"mount --make-rprivate / && mount --bind '{TOP}/srv' '{TOP}/elsewhere'", shell=True, check=True)
    listen(f"{TOP}/elsewhere/mounts")


def other_root():
    os.chroot(TOP)
    listen("/srv/root")


if sys.argv[1] == "--knock":
    for folder in sys.argv[2:]:
        for path in glob.glob(f"{folder}/*"):
            for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
                try:
                    socket.socket(socket.AF_UNIX, kind).connect(path)
                    print("answers:", repr(path))
                except OSError:
                    pass
    sys.exit()
TOP = sys.argv[1]
os.umask(0)
os.mkdir(f"{TOP}/srv")
os.chdir(f"{TOP}/srv")
listen(f"{TOP}/srv/absolute")
listen(f"{TOP}/srv/../srv/dots")
listen("relative")
listen(f"{TOP}/srv/line\nfeed")
listen("old name")
os.rename("old name", "new name")
kept.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
kept[-1].bind("datagram")
os.chdir("/")
child(other_mounts)
child(other_root)
open(f"{TOP}/bound", "w").close()
signal.pause()
