#!/usr/bin/env bash
# HAProxy 2.6 drops an answer that comes before the end of the request, and the client sees CANCELLED.
#
# Versions: HAProxy 2.6.12 (Debian 12's haproxy, which has to be installed), grpcio 1.85.1 (PyPI).
# Expected: a server of grpcio that answers before its client has sent everything resets the stream with NO_ERROR behind the
#           complete answer. RFC 9113, section 8.1, allows that, and has a client, here HAProxy, not discard the answer for it.
# Seen:     the client gets a reset with CANCEL in place of the answer, nearly always: a call that failed with
#           INVALID_ARGUMENT, and one that succeeded, both end with CANCELLED, without details. Without HAProxy, and when the
#           request ended before the answer, the status arrives (the controls). See haproxy/haproxy#1219.
# So:       have the server read a request to its end, for a moment at least, before it answers. Do not take CANCELLED for
#           "nothing was done".
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
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc


class Handler(grpc.GenericRpcHandler):
    """`Fail` and `Succeed` answer after the first message, `FailLast` after the last."""

    def service(self, details):
        name = details.method.rsplit("/", 1)[-1]

        def call(requests, context):
            next(requests)
            if name == "FailLast":
                list(requests)
            if name != "Succeed":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
            return b""

        return grpc.stream_unary_rpc_method_handler(call)


def code(port, method, ended):
    """How a call ends that sends one message, and then ends its request or not: the code of most of 20 calls."""
    return Counter(call(port, method, ended) for _ in range(20)).most_common(1)[0][0]


def call(port, method, ended):
    answered = threading.Event()

    def requests():
        yield b"first"
        if not ended:
            answered.wait(30)

    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        grpc.channel_ready_future(channel).result(30)
        try:
            channel.stream_unary(f"/a.Service/{method}")(requests(), timeout=30)
            return "OK"
        except grpc.RpcError as error:
            return error.code().name
        finally:
            answered.set()


server = grpc.server(ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((Handler(),))
back = server.add_insecure_port("127.0.0.1:0")
server.start()
with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    front = listener.getsockname()[1]
with open("haproxy.cfg", "w") as file:
    file.write("defaults\n  mode http\n  timeout connect 10s\n  timeout client 30s\n  timeout server 30s\n")
    file.write(f"frontend front\n  bind 127.0.0.1:{front} proto h2\n  default_backend back\n")
    file.write(f"backend back\n  server one 127.0.0.1:{back} proto h2\n")
haproxy = subprocess.Popen(["haproxy", "-q", "-f", "haproxy.cfg"])
try:
    print("without HAProxy:", code(back, "Fail", False), code(back, "Succeed", False))
    print("after the end:", code(front, "FailLast", True))
    print("before the end:", code(front, "Fail", False), code(front, "Succeed", False))
finally:
    haproxy.terminate()
    haproxy.wait()
    server.stop(0)
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "without HAProxy: INVALID_ARGUMENT OK
after the end: INVALID_ARGUMENT
before the end: CANCELLED CANCELLED" ]]
