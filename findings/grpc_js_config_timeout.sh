#!/usr/bin/env bash
# grpc-js reads the decimals of a `timeout` in a service config as a number of nanoseconds.
#
# Versions: @grpc/grpc-js 1.14.7 (npm), with Node.js 20.
# Expected: `"timeout": "0.5s"` gives a call half a second, as the JSON of google.protobuf.Duration has it, which gRPC's
#           `service_config.proto` uses.
# Seen:     the call fails at once with DEADLINE_EXCEEDED: five tenths become five nanoseconds, and `1.5s` is one second.
#           With all nine decimals, `5.500000000s`, the call is answered (the control).
# So:       write whole seconds, or all nine decimals, in the service configs that clients in Node read.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7

cat >seen.js <<'END'
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

// A server that answers at once.
const server = new grpc.Server();
server.addService({ Call: method }, { Call: (call, answer) => answer(null, Buffer.alloc(0)) });

// How a call ends with this timeout in the service config.
function code(port, timeout) {
  const config = JSON.stringify({ methodConfig: [{ name: [{}], timeout }] });
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { "grpc.service_config": config });
  return new Promise((told) => {
    client.makeUnaryRequest(method.path, bytes, bytes, Buffer.alloc(0), (error) => told(error ? grpc.status[error.code] : "OK"));
  });
}

server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), async (error, port) => {
  console.log(await code(port, "5.500000000s"), await code(port, "0.5s"));
  process.exit(0);
});
END

printed=$(node seen.js)
echo "with nine decimals and with one: $printed"
[[ $printed == "OK DEADLINE_EXCEEDED" ]]
