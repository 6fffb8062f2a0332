"""What an agent may try, from inside its namespace: ordinary sockets, and packets made by hand.

    gate_agent.py connect HOST PORT          "open TEXT" | "closed ERRNO", and the milliseconds it took
    gate_agent.py udp HOST PORT [TEXT|quic]  "answer FROM TEXT" | "closed ERRNO" | "silence"
    gate_agent.py raw IFACE GATEWAY_MAC SELF GATEWAY TARGET [SELF6 GATEWAY6 TARGET6]
                                             sends every packet of the table below once, printing their names
    gate_agent.py flood HOST COUNT           COUNT first packets, UDP, one port each, as fast as it goes
"""
import errno
import ipaddress
import os
import random
import socket
import struct
import sys
import time


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def connect(host, port):
    s = socket.socket(family(host), socket.SOCK_STREAM)
    s.settimeout(3)
    begun = time.monotonic()
    try:
        s.connect((host, int(port)))
        text = s.recv(200).decode(errors="replace").strip()
        result = "open " + text
    except socket.timeout:
        result = "silence"
    except OSError as e:
        result = "closed " + errno.errorcode.get(e.errno, str(e))
    print(result, "%d ms" % ((time.monotonic() - begun) * 1000))


def udp(host, port, text="x"):
    s = socket.socket(family(host), socket.SOCK_DGRAM)
    s.settimeout(1)
    data = open(text[1:], "rb").read() if text.startswith("@") else text.encode()
    begun = time.monotonic()
    try:
        s.connect((host, int(port)))  # only an answer from the asked address is delivered
        result = "silence"
        for _ in range(2):  # a busy machine may lose one
            s.send(data)
            try:
                result = "answer " + s.recv(2000).decode(errors="replace").strip()
                break
            except socket.timeout:
                pass
    except OSError as e:
        result = "closed " + errno.errorcode.get(e.errno, str(e))
    print(result, "%d ms" % ((time.monotonic() - begun) * 1000))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ip4(src, dst, proto, payload, options=b"", frag=0, ident=None, ttl=64, length=None, ihl=None):
    options += b"\0" * (-len(options) % 4)
    n = 20 + len(options)
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | (n // 4 if ihl is None else ihl), 0,
                       n + len(payload) if length is None else length, random.randrange(65536) if ident is None else ident,
                       frag, ttl, proto, 0, socket.inet_aton(src), socket.inet_aton(dst)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ip6(src, dst, proto, payload, hops=64, length=None):
    return struct.pack("!IHBB", 0x60000000, len(payload) if length is None else length, proto, hops) + \
        socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def pseudo(src, dst, proto, n):
    if ":" in src:
        return socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + struct.pack("!II", n, proto)
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, proto, n)


def u(src, dst, sport, dport, data=b"leak"):
    seg = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return seg[:6] + struct.pack("!H", checksum(pseudo(src, dst, 17, len(seg)) + seg) or 0xFFFF) + seg[8:]


def t(src, dst, sport, dport, flags, data=b"", options=b"", ack=0):
    options += b"\0" * (-len(options) % 4)
    seg = struct.pack("!HHIIBBHHH", sport, dport, random.randrange(1 << 32), ack, (5 + len(options) // 4) << 4, flags,
                      64240, 0, 0) + options + data
    return seg[:16] + struct.pack("!H", checksum(pseudo(src, dst, 6, len(seg)) + seg)) + seg[18:]


def icmp(kind, code=0, rest=b"\0\0\0\1", data=b"leak"):
    seg = struct.pack("!BBH", kind, code, 0) + rest + data
    return seg[:2] + struct.pack("!H", checksum(seg)) + seg[4:]


def icmp6(src, dst, kind, code=0, body=b"\0\0\0\0leak"):
    seg = struct.pack("!BBH", kind, code, 0) + body
    return seg[:2] + struct.pack("!H", checksum(pseudo(src, dst, 58, len(seg)) + seg)) + seg[4:]


SYN, ACK, FIN, RST = 2, 16, 1, 4
# What a udp route lets out at port 123 (gate.sh), so that only the packet's kind is in its way.
NTP, NTP6 = "93.184.216.30", "2606:2800:220:1::30"


def table4(me, gw, to):
    """Name of a packet -> its octets. None of them may come out on the uplink."""
    sp = 40000
    ok = u(me, to, sp, 9)
    other = "198.51.100.77"
    broadcast = str(ipaddress.ip_network(me + "/24", strict=False).broadcast_address)
    p = {
        "udp": ip4(me, to, 17, ok),
        "fragment first": ip4(me, to, 17, ok + b"A" * 20, frag=0x2000, ident=7),
        "fragment later": ip4(me, to, 17, b"leak" * 6, frag=4, ident=7),
        "fragment of dns": ip4(me, to, 17, u(me, to, sp, 53, b"A" * 32), frag=0x2000, ident=8),
        "fragment of syn": ip4(me, to, 6, t(me, to, sp, 443, SYN, b"A" * 4), frag=0x2000, ident=9),
        "evil bit": ip4(me, to, 17, ok, frag=0x8000),
        "option record route": ip4(me, to, 17, ok, options=bytes([7, 7, 4, 0, 0, 0, 0])),
        "option loose source route": ip4(me, gw, 6, t(me, to, sp, 443, SYN), options=bytes([131, 7, 4]) + socket.inet_aton(to)),
        "option strict source route": ip4(me, gw, 17, ok, options=bytes([137, 7, 4]) + socket.inet_aton(to)),
        "option timestamp": ip4(me, to, 17, ok, options=bytes([68, 8, 5, 0, 0, 0, 0, 0])),
        "option router alert": ip4(me, to, 6, t(me, to, sp, 443, SYN), options=bytes([148, 4, 0, 0])),
        "option nop": ip4(me, to, 17, u(me, to, sp, 53), options=b"\1\1\1\1"),
        "gre": ip4(me, to, 47, b"\0\0\x08\0" + ip4(me, to, 17, ok)),
        "ipip": ip4(me, to, 4, ip4(me, to, 17, ok)),
        "6in4": ip4(me, to, 41, ip6("2002::1", "2002::2", 17, b"leak" * 4)),
        "sctp": ip4(me, to, 132, struct.pack("!HHII", sp, 443, 0, 0) + b"\1\0\0\x14" + b"\0" * 16),
        "dccp": ip4(me, to, 33, struct.pack("!HH", sp, 443) + b"\0" * 12),
        "udplite": ip4(me, to, 136, ok),
        "esp": ip4(me, to, 50, b"\0\0\0\1\0\0\0\1" + b"leak" * 8),
        "ah": ip4(me, to, 51, b"\x11\4\0\0" + b"\0" * 20 + ok),
        "igmp": ip4(me, "224.0.0.22", 2, b"\x22\0\xf9\xfb\0\0\0\0", ttl=1),
        "ospf": ip4(me, "224.0.0.5", 89, b"\2\1\0\x18" + b"\0" * 20),
        "protocol 253": ip4(me, to, 253, b"leak"),
        "protocol 0": ip4(me, to, 0, b"leak"),
        "spoofed foreign": ip4(other, to, 17, u(other, to, sp, 9)),
        "spoofed foreign web": ip4(other, to, 6, t(other, to, sp, 443, SYN)),
        "spoofed foreign dns": ip4(other, to, 17, u(other, to, sp, 53)),
        "spoofed gateway": ip4(gw, to, 17, u(gw, to, sp, 9)),
        "spoofed uplink": ip4("10.77.0.2", to, 17, u("10.77.0.2", to, sp, 9)),
        "spoofed world": ip4("10.77.0.1", to, 6, t("10.77.0.1", to, sp, 443, SYN)),
        "spoofed loopback": ip4("127.0.0.1", to, 17, u("127.0.0.1", to, sp, 9)),
        "spoofed nobody": ip4("0.0.0.0", to, 17, u("0.0.0.0", to, sp, 9)),
        "spoofed broadcast": ip4("255.255.255.255", to, 17, u("255.255.255.255", to, sp, 9)),
        "spoofed multicast": ip4("224.0.0.1", to, 17, u("224.0.0.1", to, sp, 9)),
        "mdns": ip4(me, "224.0.0.251", 17, u(me, "224.0.0.251", 5353, 5353), ttl=255),
        "llmnr": ip4(me, "224.0.0.252", 17, u(me, "224.0.0.252", sp, 5355)),
        "ssdp": ip4(me, "239.255.255.250", 17, u(me, "239.255.255.250", sp, 1900)),
        "netbios": ip4(me, broadcast, 17, u(me, broadcast, 137, 137)),
        "dhcp": ip4("0.0.0.0", "255.255.255.255", 17, u("0.0.0.0", "255.255.255.255", 68, 67, b"\1\1\6\0" + b"\0" * 240)),
        "dhcp renewal": ip4(me, gw, 17, u(me, gw, 68, 67, b"\1\1\6\0" + b"\0" * 240)),
        "multicast dns port": ip4(me, "224.0.0.251", 17, u(me, "224.0.0.251", sp, 53)),
        "multicast web": ip4(me, "224.0.0.9", 6, t(me, "224.0.0.9", sp, 443, SYN)),
        "broadcast web": ip4(me, "255.255.255.255", 6, t(me, "255.255.255.255", sp, 80, SYN)),
        "to loopback": ip4(me, "127.0.0.1", 17, u(me, "127.0.0.1", sp, 9)),
        "to loopback web": ip4(me, "127.0.0.1", 6, t(me, "127.0.0.1", sp, 80, SYN)),
        "to loopback dns": ip4(me, "127.0.0.53", 17, u(me, "127.0.0.53", sp, 53)),
        "to nobody": ip4(me, "0.0.0.0", 17, u(me, "0.0.0.0", sp, 9)),
        "to reserved": ip4(me, "240.0.0.1", 17, u(me, "240.0.0.1", sp, 9)),
        "to metadata": ip4(me, "169.254.169.254", 17, u(me, "169.254.169.254", sp, 123)),
        "ping world": ip4(me, to, 1, icmp(8)),
        "ping with much": ip4(me, gw, 1, icmp(8, data=b"leak" * 200)),
        "ping code 1": ip4(me, gw, 1, icmp(8, 1)),
        "icmp timestamp": ip4(me, gw, 1, icmp(13, data=b"\0" * 12)),
        "icmp mask": ip4(me, to, 1, icmp(17)),
        "icmp reply": ip4(me, to, 1, icmp(0)),
        "icmp redirect": ip4(me, to, 1, icmp(5, 1, socket.inet_aton(gw), ip4(to, me, 17, ok)[:28])),
        "icmp unreachable": ip4(me, to, 1, icmp(3, 3, b"\0" * 4, ip4(to, me, 17, ok)[:28] + b"leak")),
        "icmp frag needed": ip4(me, to, 1, icmp(3, 4, b"\0\0\0\x44", ip4(to, me, 6, t(to, me, 443, sp, ACK))[:28])),
        "icmp router advert": ip4(me, to, 1, icmp(9)),
        "tfo to closed port": ip4(me, to, 6, t(me, to, sp, 2222, SYN, b"leak" * 50, bytes([34, 10]) + b"cookie!!")),
        "tfo to web port": ip4(me, to, 6, t(me, to, sp + 1, 443, SYN, b"leak" * 50, bytes([34, 10]) + b"cookie!!")),
        "syn with data": ip4(me, to, 6, t(me, to, sp + 2, 25, SYN, b"leak")),
        "syn fin": ip4(me, to, 6, t(me, to, sp + 7, 443, SYN | FIN)),
        "syn rst": ip4(me, to, 6, t(me, to, sp + 8, 443, SYN | RST)),
        "syn ack": ip4(me, to, 6, t(me, to, sp, 2222, SYN | ACK)),
        "stray ack": ip4(me, to, 6, t(me, to, sp + 3, 2222, ACK, b"leak", ack=1)),
        "stray fin": ip4(me, to, 6, t(me, to, sp + 4, 2222, FIN, b"leak")),
        "null": ip4(me, to, 6, t(me, to, sp + 5, 2222, 0, b"leak")),
        "xmas": ip4(me, to, 6, t(me, to, sp + 6, 2222, 0x29, b"leak")),
        "short tcp": ip4(me, to, 6, b"leak"),
        "short udp": ip4(me, to, 17, b"leak"),
        "udp length short": ip4(me, to, 17, struct.pack("!HHHH", sp, 123, 8, 0) + b"leak"),
        "udp length long": ip4(me, to, 17, struct.pack("!HHHH", sp, 123, 900, 0) + b"leak"),
        "ttl 1": ip4(me, to, 17, ok, ttl=1),
        "ttl 1 syn": ip4(me, to, 6, t(me, to, sp, 2222, SYN), ttl=1),
        "version 5": b"\x55" + ip4(me, to, 17, ok)[1:],
        "ihl 4": ip4(me, to, 17, ok, ihl=4),
        "length too long": ip4(me, to, 17, ok, length=1400),
        "fragment to a udp route": ip4(me, NTP, 17, u(me, NTP, sp, 123, b"leak" * 4), frag=0x2000, ident=10),
        "later fragment to a udp route": ip4(me, NTP, 17, b"leak" * 4, frag=3, ident=10),
        "options to a udp route": ip4(me, NTP, 17, u(me, NTP, sp, 123), options=b"\x94\4\0\0"),
        "source route by a udp route": ip4(me, NTP, 17, u(me, to, sp, 123), options=bytes([131, 7, 4]) + socket.inet_aton(to)),
        "spoofed to a udp route": ip4(other, NTP, 17, u(other, NTP, sp, 123)),
        "udp-lite to a udp route": ip4(me, NTP, 136, u(me, NTP, sp, 123)),
        "tcp to a udp route": ip4(me, NTP, 6, t(me, NTP, sp, 123, SYN, b"leak")),
        "icmp error on a udp route": ip4(me, NTP, 1, icmp(3, 3, b"\0" * 4, ip4(NTP, me, 17, u(NTP, me, 123, 40123))[:28] + b"leak")),
        "6to4": ip4(me, "192.88.99.1", 41, ip6("2002:a09:802::1", "2606:2800:220:1::10", 17, b"leak" * 4)),
        "bad checksum": (lambda b: b[:10] + b"\xde\xad" + b[12:])(ip4(me, to, 17, ok)),
    }
    return p


def table6(me, gw, to):
    sp = 40000
    ok = u(me, to, sp, 9)
    ll = "fe80::1"
    ext = lambda after: bytes([after, 0, 1, 4, 0, 0, 0, 0])
    return {
        "v6 udp": ip6(me, to, 17, ok),
        "v6 tcp": ip6(me, to, 6, t(me, to, sp, 2222, SYN)),
        "v6 quic": ip6(me, to, 17, u(me, to, sp, 443)),
        "v6 hop-by-hop": ip6(me, to, 0, ext(17) + ok),
        "v6 destination options": ip6(me, to, 60, ext(6) + t(me, to, sp, 443, SYN)),
        "v6 routing 0": ip6(me, gw, 43, bytes([17, 2, 0, 1]) + b"\0" * 4 + socket.inet_pton(socket.AF_INET6, to) + ok),
        "v6 fragment": ip6(me, to, 44, bytes([17, 0, 0, 1, 0, 0, 0, 9]) + ok),
        "v6 atomic fragment": ip6(me, to, 44, bytes([17, 0, 0, 0, 0, 0, 0, 9]) + ok),
        "v6 no next header": ip6(me, to, 59, b"leak"),
        "v6 esp": ip6(me, to, 50, b"\0\0\0\1\0\0\0\1" + b"leak" * 8),
        "v6 in v6": ip6(me, to, 41, ip6(me, to, 17, ok)),
        "v4 in v6": ip6(me, to, 4, ip4("10.9.8.2", "93.184.216.10", 17, u("10.9.8.2", "93.184.216.10", 1, 9))),
        "v6 sctp": ip6(me, to, 132, struct.pack("!HHII", sp, 443, 0, 0)),
        "v6 ping world": ip6(me, to, 58, icmp6(me, to, 128)),
        "v6 ping with much": ip6(me, gw, 58, icmp6(me, gw, 128, body=b"\0\0\0\0" + b"leak" * 200)),
        "v6 router advert": ip6(ll, "ff02::1", 58, icmp6(ll, "ff02::1", 134, body=b"\x40\0\x07\x08" + b"\0" * 8), hops=255),
        "v6 redirect": ip6(ll, me, 58, icmp6(ll, me, 137, body=b"\0" * 36), hops=255),
        "v6 router solicit": ip6(me, "ff02::2", 58, icmp6(me, "ff02::2", 133), hops=255),
        # The kernel's own, when they are for the sidecar; a way out, were they for somebody else.
        "v6 neighbour solicitation to the world": ip6(me, to, 58, icmp6(me, to, 135, body=b"\0" * 4 + socket.inet_pton(socket.AF_INET6, to) + b"leak" * 100), hops=255),
        "v6 neighbour advertisement to the world": ip6(me, to, 58, icmp6(me, to, 136, body=b"\x60\0\0\0" + socket.inet_pton(socket.AF_INET6, to) + b"leak" * 100), hops=255),
        "v6 neighbour solicitation to the uplink's net": ip6(me, "2606:2800:220:2::1", 58, icmp6(me, "2606:2800:220:2::1", 135, body=b"\0" * 4 + socket.inet_pton(socket.AF_INET6, to)), hops=255),
        "v6 neighbour advertisement, spoofed": ip6("2606:2800:220:2::1", "ff02::1", 58, icmp6("2606:2800:220:2::1", "ff02::1", 136, body=b"\x20\0\0\0" + socket.inet_pton(socket.AF_INET6, "2606:2800:220:2::1") + b"\2\1\2\0\0\0\0\1"), hops=255),
        "v6 dns to a group": ip6(me, "ff02::fb", 17, u(me, "ff02::fb", sp, 53)),
        "v6 multicast web": ip6(me, "ff0e::99", 6, t(me, "ff0e::99", sp, 443, SYN)),
        "v6 mdns": ip6(me, "ff02::fb", 17, u(me, "ff02::fb", 5353, 5353), hops=255),
        "v6 dhcp": ip6(ll, "ff02::1:2", 17, u(ll, "ff02::1:2", 546, 547)),
        "v6 multicast": ip6(me, "ff0e::99", 17, u(me, "ff0e::99", sp, 9)),
        "v6 spoofed": ip6("2a00::99", to, 17, u("2a00::99", to, sp, 9)),
        "v6 spoofed web": ip6("2a00::99", to, 6, t("2a00::99", to, sp, 443, SYN)),
        "v6 link-local source": ip6(ll, to, 6, t(ll, to, sp, 443, SYN)),
        "v6 to loopback": ip6(me, "::1", 6, t(me, "::1", sp, 443, SYN)),
        "v6 mapped": ip6(me, "::ffff:93.184.216.10", 6, t(me, "::ffff:93.184.216.10", sp, 443, SYN)),
        "v6 ah": ip6(me, to, 51, b"\x11\4\0\0" + b"\0" * 20 + ok),
        "v6 gre": ip6(me, to, 47, b"\0\0\x08\0" + ip4("10.9.8.2", "93.184.216.10", 17, u("10.9.8.2", "93.184.216.10", 1, 9))),
        "v6 mobility": ip6(me, to, 135, bytes([59, 0, 0, 0, 0, 0, 0, 0])),
        "v6 dccp": ip6(me, to, 33, struct.pack("!HH", sp, 443) + b"\0" * 12),
        "v6 udplite": ip6(me, to, 136, ok),
        "v6 protocol 253": ip6(me, to, 253, b"leak"),
        "v6 jumbogram": ip6(me, to, 0, bytes([17, 0, 194, 4, 0, 1, 0, 0]) + ok, length=0),
        "v6 router alert": ip6(me, to, 0, bytes([17, 0, 5, 2, 0, 0, 1, 0]) + ok),
        "v6 routing 2": ip6(me, gw, 43, bytes([17, 2, 2, 1]) + b"\0" * 4 + socket.inet_pton(socket.AF_INET6, to) + ok),
        "v6 segment routing": ip6(me, gw, 43, bytes([17, 2, 4, 1, 0, 0, 0, 0]) + socket.inet_pton(socket.AF_INET6, to) + ok),
        "v6 home address": ip6(me, to, 60, bytes([17, 2, 1, 2, 0, 0, 201, 16]) + socket.inet_pton(socket.AF_INET6, "2a00::99") + ok),
        "v6 chain of headers": ip6(me, to, 0, ext(60) + ext(60) + ext(6) + t(me, to, sp, 443, SYN)),
        "v6 ping with a header": ip6(me, gw, 60, ext(58) + icmp6(me, gw, 128)),
        "v6 dns behind a header": ip6(me, to, 60, ext(17) + u(me, to, sp, 53)),
        "v6 syn with data": ip6(me, to, 6, t(me, to, sp, 2222, SYN, b"leak")),
        "v6 syn fin": ip6(me, to, 6, t(me, to, sp, 443, SYN | FIN)),
        "v6 stray ack": ip6(me, to, 6, t(me, to, sp, 2222, ACK, b"leak", ack=1)),
        "v6 node information": ip6(me, to, 58, icmp6(me, to, 139)),
        "v6 echo reply": ip6(me, to, 58, icmp6(me, to, 129)),
        "v6 packet too big": ip6(me, to, 58, icmp6(me, to, 2, body=b"\0\0\5\0" + ip6(to, me, 17, ok))),
        "v6 multicast report": ip6(me, "ff02::16", 58, icmp6(me, "ff02::16", 143, body=b"\0\0\0\1\4\0\0\0" + socket.inet_pton(socket.AF_INET6, "ff0e::99")), hops=1),
        "v6 llmnr": ip6(me, "ff02::1:3", 17, u(me, "ff02::1:3", sp, 5355)),
        "v6 ssdp": ip6(me, "ff0e::c", 17, u(me, "ff0e::c", sp, 1900)),
        "v6 to 6to4": ip6(me, "2002:5db8:d80a::1", 17, u(me, "2002:5db8:d80a::1", sp, 9)),
        "v6 to nat64": ip6(me, "64:ff9b::5db8:d80a", 6, t(me, "64:ff9b::5db8:d80a", sp, 2222, SYN)),
        "v6 compatible": ip6(me, "::93.184.216.10", 6, t(me, "::93.184.216.10", sp, 443, SYN)),
        "v6 to the metadata address": ip6(me, "fd00:ec2::254", 6, t(me, "fd00:ec2::254", sp, 8000, SYN)),
        "v6 source multicast": ip6("ff02::1", to, 17, u("ff02::1", to, sp, 9)),
        "v6 source nobody": ip6("::", to, 17, u("::", to, sp, 9)),
        "v6 source loopback": ip6("::1", to, 17, u("::1", to, sp, 9)),
        "v6 fragment to a udp route": ip6(me, NTP6, 44, bytes([17, 0, 0, 1, 0, 0, 0, 9]) + u(me, NTP6, sp, 123, b"leak" * 4)),
        "v6 atomic fragment to a udp route": ip6(me, NTP6, 44, bytes([17, 0, 0, 0, 0, 0, 0, 9]) + u(me, NTP6, sp, 123)),
        "v6 hop-by-hop to a udp route": ip6(me, NTP6, 0, ext(17) + u(me, NTP6, sp, 123)),
        "v6 options to a udp route": ip6(me, NTP6, 60, ext(17) + u(me, NTP6, sp, 123)),
        "v6 segment routing by a udp route": ip6(me, NTP6, 43, bytes([17, 2, 4, 1, 0, 0, 0, 0]) + socket.inet_pton(socket.AF_INET6, to) + u(me, to, sp, 123)),
        "v6 spoofed to a udp route": ip6("2a00::99", NTP6, 17, u("2a00::99", NTP6, sp, 123)),
        "v6 link-local to a udp route": ip6(ll, NTP6, 17, u(ll, NTP6, sp, 123)),
        "v6 teredo": ip6(me, "2001:0:1::1", 17, u(me, "2001:0:1::1", sp, 9)),
    }


def raw(iface, mac, me, gw, to, me6=None, gw6=None, to6=None):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((iface, 0))
    head = bytes.fromhex(mac.replace(":", "")) + s.getsockname()[4]
    packets = table4(me, gw, to)
    if me6:
        packets.update(table6(me6, gw6, to6))
    for name, octets in packets.items():
        kind = b"\x86\xdd" if octets[0] >> 4 == 6 else b"\x08\0"
        s.send(head + kind + octets)
        print(name)
        time.sleep(0.002)


def flood(host, count):
    socks = [socket.socket(family(host), socket.SOCK_DGRAM) for _ in range(50)]
    sent = 0
    for i in range(int(count)):
        try:
            socks[i % 50].sendto(b"x", (host, 1024 + i % 60000))
            sent += 1
        except OSError:
            sent += 1  # the refusal of an earlier one is told here
    print(sent)


if __name__ == "__main__":
    {"connect": connect, "udp": udp, "raw": raw, "flood": flood}[sys.argv[1]](*sys.argv[2:])
