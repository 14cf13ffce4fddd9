#!/usr/bin/env bash
# grpcio refuses a service config that names retryable codes by number or in lower case.
#
# Versions: grpcio 1.85.1 (PyPI), @grpc/grpc-js 1.14.7 (npm) with Node.js 20.
# Expected: `retryableStatusCodes` takes `14`, `"UNAVAILABLE"` and `"unavailable"` alike: gRFC A6 ("gRPC Retry Design") has the
#           numbers and names in any case. grpc-js makes three attempts with each of them.
# Seen:     with the name in capitals grpcio makes three attempts (the control). With the others the whole config is invalid,
#           and every call of the channel fails with INVALID_ARGUMENT, before it is sent.
# So:       write the codes as names in capitals. INVALID_ARGUMENT of a call that no server saw is about the channel.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check grpcio==1.85.1

cat >call.js <<'END'
const grpc = require("@grpc/grpc-js");

const bytes = (value) => value;
const [port, config] = process.argv.slice(2);
const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { "grpc.service_config": config });
client.makeUnaryRequest("/a.Service/Call", bytes, bytes, Buffer.alloc(0), (error) => {
  console.log(grpc.status[error.code]);
  process.exit(0);
});
END

cat >seen.py <<'END'
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import grpc

attempts = []


class Handler(grpc.GenericRpcHandler):
    """Notes each attempt, and is never available."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self.call)

    def call(self, request, context):
        attempts.append(request)
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")


server = grpc.server(ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Handler(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()


def python(config):
    options = [("grpc.service_config", config), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        try:
            channel.unary_unary("/a.Service/Call")(b"", timeout=30)
        except grpc.RpcError as error:
            return error.code().name


def node(config):
    return subprocess.check_output(["node", "call.js", str(port), config], text=True).strip()


for client in python, node:
    for code in "UNAVAILABLE", "unavailable", 14:
        policy = {"maxAttempts": 3, "initialBackoff": "0.01s", "maxBackoff": "0.1s", "backoffMultiplier": 2}
        policy["retryableStatusCodes"] = [code]
        attempts.clear()
        ended = client(json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]}))
        print(f"{client.__name__} {code}: {ended} after {len(attempts)}")
server.stop(0)
END

printed=$(python/bin/python seen.py 2>/dev/null)
echo "$printed"
[[ $printed == "python UNAVAILABLE: UNAVAILABLE after 3
python unavailable: INVALID_ARGUMENT after 0
python 14: INVALID_ARGUMENT after 0
node UNAVAILABLE: UNAVAILABLE after 3
node unavailable: UNAVAILABLE after 3
node 14: UNAVAILABLE after 3" ]]
