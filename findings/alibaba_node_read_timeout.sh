#!/usr/bin/env bash
# Alibaba's SDK for Node ends a request after `connectTimeout`, although it is connected and `readTimeout` is longer.
#
# Versions: @alicloud/ram20150501 1.2.1, @alicloud/openapi-core 1.0.8 (npm), with Node.js 20; alibabacloud_ram20150501 1.3.0
#           (PyPI).
# Expected: with a `connectTimeout` of one second and a `readTimeout` of ten, an answer that takes two seconds arrives. The
#           twin for Python has the same two settings, and waits for it.
# Seen:     after one second `RequestTimeoutError: ConnectTimeout: Connect … failed`, while the server works on the request. The
#           default for connecting is three seconds, so a longer `readTimeout` alone changes nothing. With both raised the
#           answer arrives (the control).
# So:       set both to the same value. "ConnectTimeout" does not mean that nothing was sent: the change may have been made.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @alicloud/ram20150501@1.2.1 @alicloud/openapi-core@1.0.8
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check alibabacloud_ram20150501==1.3.0

cat >call.py <<'END'
import sys

from alibabacloud_ram20150501 import client, models
from alibabacloud_tea_openapi.models import Config

settings = {"access_key_id": "ID", "access_key_secret": "SECRET", "protocol": "http"}
ram = client.Client(Config(**settings, endpoint=sys.argv[1], connect_timeout=1000, read_timeout=10000))
try:
    print(ram.change_password(models.ChangePasswordRequest(old_password="one", new_password="two")).body.request_id)
except Exception as error:
    print(error)
END

cat >seen.js <<'END'
const http = require("node:http");
const { promisify } = require("node:util");
const execute = promisify(require("node:child_process").execFile);
const { default: Client, ChangePasswordRequest } = require("@alicloud/ram20150501");
const { Config } = require("@alicloud/openapi-core").$OpenApiUtil;

// A server that answers each request after two seconds.
let requests = 0;
const server = http.createServer((request, response) => {
  requests += 1;
  response.setHeader("content-type", "application/json");
  setTimeout(() => response.end('{"RequestId": "answered"}'), 2000);
});

async function node(endpoint, connectTimeout, readTimeout) {
  const settings = { accessKeyId: "ID", accessKeySecret: "SECRET", protocol: "http" };
  const client = new Client(new Config({ ...settings, endpoint, connectTimeout, readTimeout }));
  try {
    return (await client.changePassword(new ChangePasswordRequest({ oldPassword: "one", newPassword: "two" }))).body.requestId;
  } catch (error) {
    return error.message.split(":")[0];
  }
}

server.listen(0, "127.0.0.1", async () => {
  const endpoint = `127.0.0.1:${server.address().port}`;
  console.log("python:", (await execute("python/bin/python", ["call.py", endpoint])).stdout.trim());
  console.log("node with both raised:", await node(endpoint, 10000, 10000));
  console.log("node:", await node(endpoint, 1000, 10000));
  console.log("requests:", requests);
  process.exit(0);
});
END

printed=$(node seen.js)
echo "$printed"
[[ $printed == "python: answered
node with both raised: answered
node: ConnectTimeout
requests: 3" ]]
