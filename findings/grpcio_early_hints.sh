#!/usr/bin/env bash
# grpcio fails a call that succeeded, if an informational answer (1xx) comes before the answer.
#
# Versions: grpcio 1.85.3 (PyPI), @grpc/grpc-js 1.14.7 (npm), with Node.js 20.
# Expected: the call ends with OK: RFC 9110 §15.2 has each client read 1xx answers before the final one, also those that it did not
#           ask for, and RFC 9113 §8.1 has them in HTTP/2. grpc-js does.
# Seen:     grpcio ends the call with UNKNOWN ("Received http2 header with status: 103"), with 100, 102 and 103 alike, although
#           the server did its work and sends `grpc-status: 0` next. Without a 1xx answer it is OK (the control).
# So:       send no early hints in front of gRPC: one `http-request early-hint` in HAProxy 2.6 makes each call of grpcio fail (tried
#           by hand). A change whose call ended with this UNKNOWN may have been made: repeat it with the same `client_token`.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check grpcio==1.85.3

# A server that answers each call with an empty message, after the informational answer that the method names, and a client
# of grpc-js.
cat >server.js <<'END'
const http2 = require("node:http2");
const grpc = require("@grpc/grpc-js");

const server = http2.createServer();
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const early = Number(headers[":path"].split("/").pop());
  if (early) stream.additionalHeaders({ ":status": early });
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.resume();
  stream.end(Buffer.alloc(5));
});

server.listen(0, "127.0.0.1", async () => {
  const { port } = server.address();
  const bytes = (value) => value;
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const ends = [];
  for (const early of [0, 100, 102, 103]) {
    const error = await new Promise((told) => client.makeUnaryRequest(`/a.Service/${early}`, bytes, bytes, Buffer.alloc(0), told));
    ends.push(error ? grpc.status[error.code] : "OK");
  }
  console.log(port);
  console.log("node", ...ends);
});
process.stdin.on("end", () => process.exit(0)).resume();
END

cat >seen.py <<'END'
import subprocess

import grpc

with subprocess.Popen(["node", "server.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
    port = int(node.stdout.readline())
    print(node.stdout.readline().strip())
    ends = []
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for early in 0, 100, 102, 103:
            try:
                channel.unary_unary(f"/a.Service/{early}")(b"", timeout=30)
                ends.append("OK")
            except grpc.RpcError as error:
                ends.append(error.code().name)
    print("python", *ends)
    node.stdin.close()
END

printed=$(python/bin/python seen.py)
echo "without, with 100, with 102 and with 103:"
echo "$printed"
[[ $printed == "node OK OK OK OK
python OK UNKNOWN UNKNOWN UNKNOWN" ]]
