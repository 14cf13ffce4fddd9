#!/usr/bin/env bash
# grpcio fails a call that succeeded, if the values of a binary header come joined with a comma.
#
# Versions: grpcio 1.85.1 (PyPI), @grpc/grpc-js 1.14.7 (npm) with Node.js 20.
# Expected: `x-bin: AQ,Ag` is two values, as if the header came twice: "gRPC over HTTP2" lets a peer join them, and has the
#           reader split a binary header at commas before it decodes base64. grpc-js does.
# Seen:     the call, whose `grpc-status` is 0, ends with INTERNAL ("illegal base64 encoding"). With the header twice there
#           are two values (the control).
# So:       send each name that ends in `-bin` once, with one message that holds all values. HTTP libraries and proxies may
#           join headers of one name.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check grpcio==1.85.1

# Servers that answer each call with an empty message and the trailer, and a client of grpc-js that prints its values.
cat >server.js <<'END'
const http2 = require("node:http2");
const grpc = require("@grpc/grpc-js");

const bytes = (value) => value;

function serve(trailer) {
  const server = http2.createServer();
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "x-bin": trailer }));
    stream.resume();
    stream.end(Buffer.alloc(5));
  });
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server.address().port)));
}

function values(port) {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  return new Promise((told) => {
    const call = client.makeUnaryRequest("/a.Service/Call", bytes, bytes, Buffer.alloc(0), () => {});
    call.on("status", ({ code, metadata }) => {
      told(`${grpc.status[code]}:${metadata.get("x-bin").map((value) => value.toString("hex"))}`);
    });
  });
}

(async () => {
  const [twice, joined] = [await serve(["AQ", "Ag"]), await serve("AQ,Ag")];
  console.log(twice, joined);
  console.log(`node ${await values(twice)} ${await values(joined)}`);
})();
process.stdin.on("end", () => process.exit(0)).resume();
END

cat >seen.py <<'END'
import subprocess

import grpc


def values(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            _, call = channel.unary_unary("/a.Service/Call").with_call(b"", timeout=30)
            return "OK:" + ",".join(value.hex() for _, value in call.trailing_metadata())
        except grpc.RpcError as error:
            return error.code().name


with subprocess.Popen(["node", "server.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
    twice, joined = node.stdout.readline().split()
    print(node.stdout.readline().strip())
    print("python", values(twice), values(joined))
    node.stdin.close()
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "node OK:01,02 OK:01,02
python OK:01,02 INTERNAL" ]]
