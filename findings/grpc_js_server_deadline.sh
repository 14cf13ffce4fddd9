#!/usr/bin/env bash
# A server of grpc-js ends a call at once if its deadline is between 25 and 49 days away.
#
# Versions: @grpc/grpc-js 1.14.7 (npm) with Node.js 20, grpcio 1.85.1 (PyPI).
# Expected: `grpc-timeout: 720H` is valid, since "gRPC over HTTP2" allows eight digits of any unit, and a call with a deadline
#           in 30 days is answered. A server of grpcio does.
# Seen:     DEADLINE_EXCEEDED from the server, at once. Its milliseconds are cut to 32 bits, and are negative from 2^31 to
#           2^32. With 24 days the call is answered (the control), and with 60 days too, which are cut to ten.
# So:       for a stream that may stay open for ever, give no deadline, or one below 24 days.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check grpcio==1.85.1

cat >server.js <<'END'
const grpc = require("@grpc/grpc-js");

const bytes = (value) => value;
const method = {
  path: "/a.Service/Call",
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};

// A server that answers after a moment, until its standard input ends.
const server = new grpc.Server();
server.addService({ Call: method }, { Call: (call, answer) => setTimeout(answer, 100, null, Buffer.alloc(0)) });
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => console.log(port));
process.stdin.on("end", () => process.exit(0)).resume();
END

cat >seen.py <<'END'
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import grpc


class Handler(grpc.GenericRpcHandler):
    """Answers after a moment."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: time.sleep(0.1) or b"")


def code(port, days):
    """How a call ends whose deadline is so many days away."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary("/a.Service/Call")(b"", timeout=days * 24 * 60 * 60)
            return "OK"
        except grpc.RpcError as error:
            return error.code().name


sibling = grpc.server(ThreadPoolExecutor(4))
sibling.add_generic_rpc_handlers((Handler(),))
port = sibling.add_insecure_port("127.0.0.1:0")
sibling.start()
print(code(port, 30), end=" ")
sibling.stop(0)

with subprocess.Popen(["node", "server.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
    port = int(node.stdout.readline())
    print(code(port, 24), code(port, 30), code(port, 60))
    node.stdin.close()
END

printed=$(python/bin/python seen.py)
echo "grpcio with 30 days, grpc-js with 24, 30 and 60 days: $printed"
[[ $printed == "OK OK DEADLINE_EXCEEDED OK" ]]
