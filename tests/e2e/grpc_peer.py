#!/usr/bin/env python3
"""gRPC without generated code: messages are octets.

usage: grpc_peer.py serve ADDRESS:PORT CERT KEY
       grpc_peer.py TARGET        prints "CASE: WHAT CAME"
"""
import os, queue, sys, threading, time
from concurrent import futures
import grpc


def serve(target, cert, key):
    def unary(request, context):
        meta = dict(context.invocation_metadata())
        context.set_trailing_metadata((("x-trailer", "t-" + meta.get("x-given", "")), ("x-bin-bin", b"\0\1\xff")))
        if request == b"fail":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: 100% \u00fc")
        return request[::-1]

    def down(request, context):
        for i in range(int(request)):
            yield b"%d" % i
            time.sleep(0.05)

    def both(requests, context):
        for r in requests:
            yield r * 2

    class Handler(grpc.GenericRpcHandler):
        def service(self, call):
            return {"/pkg.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
                    "/pkg.Echo/Down": grpc.unary_stream_rpc_method_handler(down),
                    "/pkg.Echo/Both": grpc.stream_stream_rpc_method_handler(both)}.get(call.method)

    server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", 1 << 26)])
    server.add_generic_rpc_handlers((Handler(),))
    creds = grpc.ssl_server_credentials([(open(key, "rb").read(), open(cert, "rb").read())])
    assert server.add_secure_port(target, creds)
    server.start()
    server.wait_for_termination()


def call(target):
    root = open(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), "rb").read()
    options = [("grpc.max_receive_message_length", 1 << 26), ("grpc.max_send_message_length", 1 << 26)]
    channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(root), options)

    def unary():
        f = channel.unary_unary("/pkg.Echo/Unary")
        got, c = f.with_call(b"abc", timeout=10, metadata=(("x-given", "g"),))
        meta = dict(c.trailing_metadata())
        return "%s %s %s" % (got.decode(), meta["x-trailer"], meta["x-bin-bin"].hex())

    def status():
        try:
            channel.unary_unary("/pkg.Echo/Unary")(b"fail", timeout=10)
        except grpc.RpcError as e:
            return "%s %s" % (e.code().name, e.details())

    def refused(method="/pkg.Secret/Get", where=None):
        try:
            (where or channel).unary_unary(method)(b"x", timeout=10)
        except grpc.RpcError as e:
            return "%s %s" % (e.code().name, e.details())

    def refused_stream():
        try:
            return repr(list(channel.stream_stream("/pkg.Secret/Both")(iter([b"a"] * 3), timeout=10)))
        except grpc.RpcError as e:
            return "%s %s" % (e.code().name, e.details())

    def down():
        begun, times = time.time(), []
        for m in channel.unary_stream("/pkg.Echo/Down")(b"10", timeout=10):
            times.append(time.time() - begun)
        return "10 spread" if len(times) == 10 and times[-1] - times[0] > 0.3 else repr(times)

    def both():
        q, out = queue.Queue(), []
        calls = channel.stream_stream("/pkg.Echo/Both")(iter(q.get, None), timeout=20)
        for i in range(50):
            q.put(b"m%d" % i)
            out.append(next(calls))
        time.sleep(1.5)
        q.put(b"later")
        out.append(next(calls))
        q.put(None)
        rest = list(calls)
        return "%d %s %d" % (len(out), out[-1].decode(), len(rest))

    def large():
        data = os.urandom(8 << 20)
        return "same" if channel.unary_unary("/pkg.Echo/Unary")(data, timeout=30)[::-1] == data else "differs"

    def many():
        f = channel.unary_unary("/pkg.Echo/Unary")
        calls = [f.future(b"%d" % i, timeout=20) for i in range(500)]
        return str(sum(c.result() == b"%d"[::-1] or c.result() == (b"%d" % i)[::-1] for i, c in enumerate(calls)))

    def cancel():
        for i in range(50):
            c = channel.unary_stream("/pkg.Echo/Down")(b"1000", timeout=10)
            next(c)
            c.cancel()
        return unary()

    def packed(how):
        """A known secret inside a message that the library compresses, and such a message without."""
        def run():
            out = []
            for secret in (b"nothing", os.environ["GRPC_SECRET"].encode()):
                text = b"a text that is long enough to be worth it, " * 20 + secret
                try:
                    got = channel.unary_unary("/pkg.Echo/Unary")(text, timeout=10, compression=how)
                    out.append("same" if got == text[::-1] else "differs")
                except grpc.RpcError as e:
                    out.append("%s %s" % (e.code().name, e.details()))
            return ", ".join(out)
        return run

    packed_gzip, packed_deflate = packed(grpc.Compression.Gzip), packed(grpc.Compression.Deflate)
    packed_gzip.__name__, packed_deflate.__name__ = "packed_gzip", "packed_deflate"
    for f in (packed_gzip, packed_deflate, unary, status, refused, refused_stream, down, both, large, many, cancel):
        try:
            print("%s: %s" % (f.__name__, f()), flush=True)
        except Exception as e:
            print("%s: EXCEPTION %s" % (f.__name__, repr(e).replace("\n", " ")), flush=True)
    # No ready connection: "wait for ready" is off, so that a name without a route fails with what TLS and HTTP say.
    other = grpc.secure_channel("forbidden.test:443", grpc.ssl_channel_credentials(root))
    print("other_host: %s" % refused("/pkg.Echo/Unary", other), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[2:]) if sys.argv[1] == "serve" else call(sys.argv[1])
