"""Servers that fail on purpose, and a proxy that counts and cuts."""

import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
import time


@contextlib.contextmanager
def scripted(*answers):
    """An HTTP server that gives these answers in turn, the last again and again.

    An answer is `(status, headers, values)`, or seconds for which nothing is answered. Yields its
    address and the list of requests: `(path, headers, body)`.
    """
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.path, dict(self.headers), body))
            answer = answers[min(len(requests), len(answers)) - 1]
            if isinstance(answer, float):
                over.wait(answer)
                self.close_connection = True
                return
            status, headers, values = answer
            content = values if isinstance(values, bytes) else json.dumps(values).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    over = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Proxy:
    """Forwards connections; counts what is sent, and cuts each connection after so many bytes.

    Args:
        port: To forward to.
        cuts: Bytes sent by the client after which the next connections break; then none breaks.
    """

    def __init__(self, port, cuts=()):
        self.target = port
        self._cuts = list(cuts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sent = 0
        self.connections = 0
        self._open = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def refuse(self):
        """Break all connections, and accept no others."""
        self._listener.shutdown(socket.SHUT_RDWR)
        _reset(*self._open)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            cut = self._cuts.pop(0) if self._cuts else None
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self._open += [client, server]
            for one in (
                threading.Thread(target=self._forward, args=(client, server, cut)),
                threading.Thread(target=self._back, args=(client, server)),
            ):
                self._threads.append(one)
                one.start()

    def _forward(self, client, server, cut):
        left = cut
        with contextlib.suppress(OSError):
            while content := client.recv(1 << 16 if left is None else min(left, 1 << 16)):
                self.sent += len(content)
                server.sendall(content)
                if left is not None:
                    left -= len(content)
                    if left <= 0:
                        break
        _reset(client, server)

    def _back(self, client, server):
        with contextlib.suppress(OSError):
            while content := server.recv(1 << 16):
                client.sendall(content)
        _reset(client, server)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


def _reset(*sockets):
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextlib.contextmanager
def proxied(port, cuts=()):
    proxy = Proxy(port, cuts)
    try:
        yield proxy
    finally:
        proxy.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def process(port, *settings, log=subprocess.DEVNULL):
    """`serkit serve` on a port, ready to answer."""
    command = [sys.executable, "-m", "serkit", "serve", "--port", str(port), "--model", "tiny-mel"]
    for setting in ("decoders=1", *settings):
        command += ["--set", setting]
    with subprocess.Popen(command, stderr=log) as server:
        try:
            while True:
                assert server.poll() is None
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield server
        finally:
            server.kill()
