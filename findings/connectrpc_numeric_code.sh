#!/usr/bin/env bash
# connectrpc for Python takes a gateway's 401 for UNAVAILABLE, if the body is JSON with a `code` of its own.
#
# Versions: connectrpc 0.13.0, protobuf-py 0.7.0, pyqwest 0.12.0, grpcio 1.85.3 (PyPI), a server in Node.js 20.
# Expected: UNAUTHENTICATED: if there is no `grpc-status`, "HTTP to gRPC Status Code Mapping" takes the code from the HTTP status
#           alone, and grpcio does so for each body.
# Seen:     UNAVAILABLE for {"code": 401, …} and for {"code": "NO_TOKEN", …}: the client reads the body as an error of the Connect
#           protocol, also when it speaks gRPC, and a code that it does not know becomes UNAVAILABLE. 403, 404 and 500 end
#           alike. Without `code` in the body the call ends with UNAUTHENTICATED (the control).
# So:       a client that repeats calls on UNAVAILABLE repeats a refusal until it gives up. Let gateways answer gRPC with a
#           `grpc-status`, or with a body that isn't JSON, and limit the attempts.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check connectrpc==0.13.0 protobuf-py==0.7.0 pyqwest==0.12.0 grpcio==1.85.3

# A gateway that refuses each call. The method says with which status and body.
cat >gateway.js <<'END'
const http2 = require("node:http2");

const bodies = { Message: { message: "no" }, Number: { code: 401, message: "no" }, Name: { code: "NO_TOKEN", message: "no" } };
const server = http2.createServer((request, response) => {
  const [status, body] = request.url.split("/").pop().split("_");
  response.writeHead(Number(status), { "content-type": "application/json" });
  response.end(JSON.stringify(bodies[body]));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
END

cat >seen.py <<'END'
import subprocess

import grpc
from connectrpc.client import ConnectClientSync
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from protobuf.wkt import Empty
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport


def by_grpcio(port, name):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary(f"/a.Service/{name}")(b"", timeout=30)
        except grpc.RpcError as error:
            return error.code().name


def by_connectrpc(port, name):
    method = MethodInfo(
        name=name,
        service_name="a.Service",
        input=Empty,
        output=Empty,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY,
    )
    http = SyncClient(SyncHTTPTransport(http_version=HTTPVersion.HTTP2))
    with ConnectClientSync(f"http://127.0.0.1:{port}", protocol=ProtocolType.GRPC, http_client=http) as client:
        try:
            client.execute_unary(request=Empty(), method=method, timeout_ms=30_000)
        except ConnectError as error:
            return error.code.name


with subprocess.Popen(["node", "gateway.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
    port = int(node.stdout.readline())
    for name in "401_Message", "401_Number", "401_Name", "403_Number", "404_Number", "500_Number":
        print(f"{name}: grpcio {by_grpcio(port, name)}, connectrpc {by_connectrpc(port, name)}")
    node.stdin.close()
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "401_Message: grpcio UNAUTHENTICATED, connectrpc UNAUTHENTICATED
401_Number: grpcio UNAUTHENTICATED, connectrpc UNAVAILABLE
401_Name: grpcio UNAUTHENTICATED, connectrpc UNAVAILABLE
403_Number: grpcio PERMISSION_DENIED, connectrpc UNAVAILABLE
404_Number: grpcio UNIMPLEMENTED, connectrpc UNAVAILABLE
500_Number: grpcio UNKNOWN, connectrpc UNAVAILABLE" ]]
