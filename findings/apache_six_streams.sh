#!/usr/bin/env bash
# Apache runs six streams of a new HTTP/2 connection at a time, and announces a hundred.
#
# Versions: Apache httpd 2.4.71 (Debian 12's apache2-bin, which has to be installed), grpcio 1.85.1 (PyPI).
# Expected: SETTINGS_MAX_CONCURRENT_STREAMS is 100 (`H2MaxSessionStreams`, the default), so while six server streams are open,
#           a seventh call on the connection is answered.
# Seen:     the seventh call waits until its deadline. With five streams open it is answered (the control). mod_http2
#           begins with six streams for each connection, no directive changes that, and the number grows only when streams
#           end, which long ones never do.
# So:       behind Apache, give a client's watches a connection of their own, at most five on each, or use another proxy.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check grpcio==1.85.1

cat >seen.py <<'END'
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

MODULES = "/usr/lib/apache2/modules"


class Handler(grpc.GenericRpcHandler):
    """`Stream` answers once and stays open, `Unary` answers."""

    def service(self, details):
        if details.method == "/a.Service/Unary":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
        return grpc.unary_stream_rpc_method_handler(self.stream)

    def stream(self, request, context):
        yield b""
        done.wait()


done = threading.Event()
server = grpc.server(ThreadPoolExecutor(32))
server.add_generic_rpc_handlers((Handler(),))
back = server.add_insecure_port("127.0.0.1:0")
server.start()
with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    front = listener.getsockname()[1]
modules = "".join(
    f"LoadModule {name}_module {MODULES}/mod_{name}.so\n"
    for name in ["mpm_event", "authz_core", "http2", "proxy", "proxy_http2"]
)
with open("httpd.conf", "w") as file:
    file.write(modules)
    file.write(f"Listen 127.0.0.1:{front}\nServerName localhost\nUser www-data\nPidFile {sys.path[0]}/pid\n")
    file.write(f"DefaultRuntimeDir {sys.path[0]}\nErrorLog {sys.path[0]}/log\nProtocols h2c\n")
    file.write(f"ProxyPass / h2c://127.0.0.1:{back}/\n")
apache = subprocess.Popen(["apache2", "-D", "FOREGROUND", "-f", f"{sys.path[0]}/httpd.conf"])


def code(open_streams):
    """How a call ends on a new connection with so many open streams."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{front}", options=options) as channel:
        grpc.channel_ready_future(channel).result(30)
        streams = [channel.unary_stream("/a.Service/Stream")(b"", timeout=30) for _ in range(open_streams)]
        for stream in streams:
            next(stream)
        try:
            channel.unary_unary("/a.Service/Unary")(b"", timeout=5)
            return "OK"
        except grpc.RpcError as error:
            return error.code().name


try:
    print(code(5), code(6))
finally:
    done.set()
    apache.terminate()
    apache.wait()
    server.stop(0)
END

printed=$(python/bin/python seen.py)
echo "with five open streams and with six: $printed"
[[ $printed == "OK DEADLINE_EXCEEDED" ]]
