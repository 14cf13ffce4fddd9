#!/usr/bin/env bash
# grpc-js takes `waitForReady` in a service config, and does not act on it.
#
# Versions: @grpc/grpc-js 1.14.7 (npm), with Node.js 20.
# Expected: a call whose method config says `"waitForReady": true` waits for a connection until its deadline, as gRPC's
#           `service_config.proto` has it. grpcio does.
# Seen:     the value is checked (another type than a boolean is an error), and the call fails at once with UNAVAILABLE where
#           there is no connection. With the option of a call's own metadata it waits (the control).
# So:       set `waitForReady` in an interceptor, with `metadata.setOptions`.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7

cat >seen.js <<'END'
const net = require("node:net");
const grpc = require("@grpc/grpc-js");

const serviceConfig = JSON.stringify({ methodConfig: [{ name: [{}], waitForReady: true }] });
const bytes = (value) => value;

// The code with which a call fails at an address where nothing listens.
function code(address, metadata) {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), { "grpc.service_config": serviceConfig });
  const options = { deadline: Date.now() + 3000 };
  return new Promise((told) => {
    client.makeUnaryRequest("/a.Service/Call", bytes, bytes, Buffer.alloc(0), metadata, options, (error) => {
      told(grpc.status[error.code]);
    });
  });
}

const listener = net.createServer().listen(0, "127.0.0.1", () => {
  const address = `127.0.0.1:${listener.address().port}`;
  listener.close(async () => {
    const byConfig = await code(address, new grpc.Metadata());
    const byMetadata = await code(address, new grpc.Metadata({ waitForReady: true }));
    console.log(`${byConfig} ${byMetadata}`);
    process.exit(0);
  });
});
END

printed=$(node seen.js)
echo "by the service config, and by the call's metadata: $printed"
[[ $printed == "UNAVAILABLE DEADLINE_EXCEEDED" ]]
