"""What the tests' origins stand on: a thread for each connection, TLS or not."""
import socket, ssl, threading


def tls_context(cert, key, protocols=("http/1.1",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(list(protocols))
    return context


def listen(address, port, serve):
    """Hands each connection to `serve` in a thread of its own; never returns."""
    server = socket.create_server((address, port), backlog=128)
    while True:
        s, _ = server.accept()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(s,), daemon=True).start()


def listen_http(address, cert, key, serve):
    """serve(SOCKET, CONTEXT): on port 80, where CONTEXT is None, and on 443, which it has to wrap the socket in; never returns."""
    threading.Thread(target=listen, args=(address, 80, lambda s: serve(s, None)), daemon=True).start()
    context = tls_context(cert, key)
    listen(address, 443, lambda s: serve(s, context))
