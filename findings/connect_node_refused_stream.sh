#!/usr/bin/env bash
# connect-node reports a gRPC call that the server refused unread as INTERNAL, not as UNAVAILABLE.
#
# Versions: @connectrpc/connect and connect-node 2.3.0, @bufbuild/protobuf 2.17.0, @grpc/grpc-js 1.14.7 (npm), with Node.js 20
#           (and, by hand, with Node.js 22, which connect-node 2.3.0 asks for).
# Expected: UNAVAILABLE for RST_STREAM with REFUSED_STREAM, RESOURCE_EXHAUSTED with ENHANCE_YOUR_CALM, and PERMISSION_DENIED with
#           INADEQUATE_SECURITY: "gRPC over HTTP2" has that table, and grpc-js follows it.
# Seen:     INTERNAL for all three. connect-node has the same table, but it reads it when a stream closes, and Node reports an
#           error before that, which ends the call first. CANCEL, for which Node reports none, is right (the control).
# So:       a retry policy that waits for UNAVAILABLE leaves out the calls that are safest to send again: RFC 9113 §8.7 says that
#           a refused stream was not processed. Treat INTERNAL as UNAVAILABLE if the message has NGHTTP2_REFUSED_STREAM.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund \
    @connectrpc/connect@2.3.0 @connectrpc/connect-node@2.3.0 @bufbuild/protobuf@2.17.0 @grpc/grpc-js@1.14.7

cat >seen.mjs <<'END'
import http2 from "node:http2";
import grpc from "@grpc/grpc-js";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EmptySchema, file_google_protobuf_empty } from "@bufbuild/protobuf/wkt";

// A server that resets each stream with the code.
let code;
const server = http2.createServer();
server.on("stream", (stream) => {
  stream.on("error", () => {});
  stream.close(code);
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const address = `127.0.0.1:${server.address().port}`;

const service = { kind: "service", typeName: "a.Service", file: file_google_protobuf_empty };
const method = { kind: "rpc", methodKind: "unary", name: "Call", localName: "call", input: EmptySchema, output: EmptySchema };
method.parent = service;
service.method = { call: method };
service.methods = [method];
const connect = createClient(service, createGrpcTransport({ baseUrl: `http://${address}` }));

const bytes = (value) => value;
const plain = new grpc.Client(address, grpc.credentials.createInsecure());

for (const name of ["CANCEL", "REFUSED_STREAM", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY"]) {
  code = http2.constants[`NGHTTP2_${name}`];
  const ended = await new Promise((told) => plain.makeUnaryRequest("/a.Service/Call", bytes, bytes, Buffer.alloc(0), told));
  const error = await connect.call({}).catch((error) => error);
  console.log(`${name}: grpc-js ${grpc.status[ended.code]}, connect-node ${Code[error.code]}`);
}
process.exit(0);
END

printed=$(node seen.mjs)
echo "$printed"
[[ $printed == "CANCEL: grpc-js CANCELLED, connect-node Canceled
REFUSED_STREAM: grpc-js UNAVAILABLE, connect-node Internal
ENHANCE_YOUR_CALM: grpc-js RESOURCE_EXHAUSTED, connect-node Internal
INADEQUATE_SECURITY: grpc-js PERMISSION_DENIED, connect-node Internal" ]]
