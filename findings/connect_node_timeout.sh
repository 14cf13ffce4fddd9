#!/usr/bin/env bash
# connect-node sends a `grpc-timeout` of more than eight digits.
#
# Versions: @connectrpc/connect-node 2.2.0 (npm), with Node.js 20.
# Expected: at most eight digits and a unit, as "gRPC over HTTP2" says ("TimeoutValue"): a deadline of 36 hours is
#           `36H`, `2160M` or `129600S`.
# Seen:     `129600000m`, nine digits: the library always writes milliseconds. Deadlines of less than 27 hours and 46
#           minutes are right (the control).
# So:       a server that follows the letter refuses such calls or gives them no deadline. Read more digits than eight, and
#           in clients of this library set a deadline of 99,999,999 ms at most.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @connectrpc/connect@2.2.0 @connectrpc/connect-node@2.2.0 @bufbuild/protobuf@2.9.0

cat >seen.mjs <<'END'
import http2 from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EmptySchema, file_google_protobuf_empty } from "@bufbuild/protobuf/wkt";

// A server that notes the timeout of each call, and answers an empty message.
const seen = [];
const server = http2.createServer();
server.on("stream", (stream, headers) => {
  seen.push(headers["grpc-timeout"]);
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.resume();
  stream.end(Buffer.alloc(5));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.address().port}` });
const method = { kind: "rpc", methodKind: "unary", name: "Call", localName: "call", input: EmptySchema, output: EmptySchema };
const service = { kind: "service", typeName: "a.Service", file: file_google_protobuf_empty, method: { call: method } };
method.parent = service;
service.methods = [method];
const client = createClient(service, transport);
await client.call({}, { timeoutMs: 27 * 60 * 60 * 1000 });
await client.call({}, { timeoutMs: 36 * 60 * 60 * 1000 });
console.log(seen.join(" "));
process.exit(0);
END

printed=$(node seen.mjs)
echo "for 27 hours and for 36 hours: $printed"
[[ $printed == "97200000m 129600000m" ]]
