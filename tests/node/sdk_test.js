// The vendors' SDKs for Node.js, unmodified, against the service that `quickstart --edge` runs: over plain TCP and over TLS.
//
// Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY and the packages in NODE_PATH.
"use strict";

const assert = require("node:assert");
const { once } = require("node:events");
const { execFileSync, spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");

const BINARY = process.env.TEST_BINARY ?? path.resolve(__dirname, "../../target/debug/credentiald");
/** What SDKs encode in different ways. */
const ODD = ["N w&=%/1\"\\B\u0451+~*!'()", "{}[]<>?#;:,@$^|`%2B+1aA"];

/** Starts the demonstration, and answers what it prints once it serves. */
async function quickstart(t, folder, ...flags) {
  const anyPort = ["--server-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
  // As long as it can be, for a machine that is busy.
  const deadline = ["--http-deadline-milliseconds", "2999"];
  const command = ["quickstart", "--edge", "--data-dir", folder, ...anyPort, ...deadline, ...flags];
  const server = spawn(BINARY, command, { stdio: ["ignore", "pipe", "ignore"] });
  t.after(async () => {
    server.kill("SIGTERM");
    if (server.exitCode === null) await once(server, "exit");
    fs.rmSync(folder, { recursive: true });
  });
  let printed = "";
  for await (const part of server.stdout) {
    printed += part;
    if (printed.includes("Ctrl-C stops it.")) return printed;
  }
  assert.fail(`the server has ended: ${printed}`);
}

/** What the SDKs need of the printed text. */
function callsOf(printed) {
  const message = (method) => JSON.parse(printed.split(`/${method} <<'END'\n`)[1].split("\nEND\n")[0]);
  const keys = printed.slice(printed.indexOf("Access keys")).split("\n");
  const key = (caller) => {
    const at = keys.findIndex((line) => line.trim().startsWith(caller));
    const [id, secret] = keys.slice(at, at + 2).join(" ").match(/CDAK\w+|cdk_\w+/g);
    return { id, secret };
  };
  return {
    endpoint: printed.match(/call it on (\S+)\./)[1],
    ramUser: key("RAM user"),
    iamUser: key("IAM user"),
    passwords: {
      ramUser: [message("ChangePassword").old_password, ...ODD],
      iamUser: [message("ChangePasswordV5").old_password, ODD[0]],
    },
  };
}

for (const protocol of ["http", "https"]) {
  test(`each SDK changes a password, and surfaces the code of a refusal, over ${protocol}`, async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "credentiald-sdks."));
    const printed = await quickstart(t, folder, ...(protocol === "https" ? ["--tls"] : []));
    const results = path.join(folder, "results");
    const calls = { protocol, results, ...callsOf(printed) };
    const trust = protocol === "https" ? { NODE_EXTRA_CA_CERTS: path.join(folder, "ca.pem") } : {};
    const env = { ...process.env, ...trust, SDK_CALLS: JSON.stringify(calls) };
    // That of Huawei prints each request that fails.
    const said = execFileSync(process.execPath, [path.join(__dirname, "sdk_calls.js")], { env, encoding: "utf8" });
    assert.ok(said.includes("not-it"), "docs/vendor-sdks.md warns of what it prints no longer");

    const found = JSON.parse(fs.readFileSync(results, "utf8"));
    for (const [call, { done, requestId }] of Object.entries(found)) {
      assert.strictEqual(done === true, call.endsWith("Done"), `${call}: ${JSON.stringify(found[call])}`);
      // A success of Huawei's has none.
      assert.ok(call === "huaweiDone" || /^[0-9A-F-]{36}$/.test(requestId), `${call}: ${requestId}`);
    }
    assert.strictEqual(found.currentDone.status, 200);
    assert.strictEqual(found.huaweiDone.status, 200);
    const refusal = ({ name, code, status }) => [name, code, status ?? null];
    const wrong = "InvalidParameter.OldPassword.Incorrect";
    assert.deepStrictEqual(refusal(found.currentRefused), ["ClientError", wrong, 400]);
    // It knows no status.
    const weak = "InvalidParameter.NewPassword.TooWeak";
    assert.deepStrictEqual(refusal(found.popCoreRefused), [`${weak}Error`, weak, null]);
    assert.deepStrictEqual(refusal(found.huaweiRefused), ["ClientRequestException", "1103", 400]);
  });
}
