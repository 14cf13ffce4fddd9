// A client in JavaScript, made from the descriptor set that the binary writes, against a server that `quickstart` started.
//
// Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY and the packages in NODE_PATH.
"use strict";

const assert = require("node:assert");
const { execFileSync, spawn, spawnSync } = require("node:child_process");
const crypto = require("node:crypto");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const { after, before, test } = require("node:test");
const vm = require("node:vm");

const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const ROOT = path.resolve(__dirname, "../..");
const BINARY = process.env.TEST_BINARY ?? path.join(ROOT, "target/debug/credentiald");
const SECONDS = 60;

const DOCUMENT = fs.readFileSync(path.join(ROOT, "docs/clients.md"), "utf8");
const shown = (language) => DOCUMENT.split(`\`\`\`${language}\n`)[1].split("\n```")[0];
const SERVICE_CONFIG = shown("json");
const connect = vm.runInNewContext(`${shown("js")}\nconnect`, { require });

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "credentiald-node."));
let api;

before(() => {
  const file = path.join(scratch, "credentiald.binpb");
  execFileSync(BINARY, ["descriptors", file]);
  const options = { keepCase: true, longs: String, enums: String };
  const definition = protoLoader.loadFileDescriptorSetFromBuffer(fs.readFileSync(file), options);
  api = grpc.loadPackageDefinition(definition).credential;
});

after(() => fs.rmSync(scratch, { recursive: true }));

/** A server on the store that `quickstart` made. */
class Server {
  constructor(port) {
    this.address = `127.0.0.1:${port}`;
    this.data = fs.mkdtempSync(path.join(scratch, "data."));
  }

  static async start(t) {
    const listener = net.createServer().listen(0, "127.0.0.1");
    await new Promise((listening) => listener.on("listening", listening));
    const { port } = listener.address();
    await new Promise((closed) => listener.close(closed));
    const server = new Server(port);
    t.after(() => server.stop());
    await server.quickstart();
    server.settings = await server.settingsForFewHashes();
    await server.stop();
    await server.serve();
    return server;
  }

  /** Starts a command that serves, and answers what it has printed once it does. */
  async run(...command) {
    const printed = path.join(this.data, "printed");
    const stdio = ["ignore", fs.openSync(printed, "w"), "ignore"];
    this.process = spawn(BINARY, [...command, "--server-listen", this.address], { stdio });
    fs.closeSync(stdio[1]);
    this.ended = new Promise((ended) => this.process.on("exit", ended));
    const env = { CREDENTIALD_SERVER_LISTEN: this.address, ...this.environment };
    while (spawnSync(BINARY, ["healthcheck"], { env }).status !== 0) {
      assert.strictEqual(this.process.exitCode, null, "the server has ended");
      await new Promise((later) => setTimeout(later, 100));
    }
    return fs.readFileSync(printed, "utf8");
  }

  serve(...more) {
    return this.run("serve", "--store-url", `sqlite:${this.data}/credentiald.db`, ...this.settings, ...more);
  }

  async quickstart() {
    const printed = await this.run("quickstart", "--data-dir", this.data);
    this.root = printed.match(/^ROOT_TOKEN=(\S+)$/m)[1];
  }

  /** One worker has four hashes done in the time that the service takes work on for: a second. */
  async settingsForFewHashes() {
    const client = connect(api.v1.CredentialService, this.address, SERVICE_CONFIG);
    const began = performance.now();
    const request = { domain_name: "example.com", password: "DM1mail1234" };
    const changed = await call(client, "ModifyPWByDomain", request, this.root);
    assert.strictEqual(changed.code, "OK", changed);
    const iterations = Math.min(Math.max(Math.round(250 / (performance.now() - began)), 1), 1000);
    client.close();
    return ["--hashing-workers", "1", "--hashing-longest-wait-seconds", "1", "--hashing-iterations", String(iterations)];
  }

  async stop() {
    this.process.kill("SIGTERM");
    assert.strictEqual(await this.ended, 0);
  }
}

/** Calls, and answers the response or the error. */
function call(client, method, request, token) {
  const metadata = new grpc.Metadata();
  if (token) metadata.set("authorization", `Bearer ${token}`);
  const deadline = Date.now() + SECONDS * 1000;
  return new Promise((resolve) => {
    client[method](request, metadata, { deadline }, (error, response) => resolve(error ?? response));
  });
}

async function createDomains(server, count) {
  const admin = connect(api.admin.v1.AdminService, server.address, SERVICE_CONFIG);
  const names = Array.from({ length: count }, (_, number) => `d${number}.example`);
  for (const domain_name of names) {
    const created = await call(admin, "CreateMailDomain", { domain_name }, server.root);
    assert.ok(!(created instanceof Error), created);
  }
  admin.close();
  return names;
}

test("an error has its request id in the trailers", async (t) => {
  const server = await Server.start(t);
  const client = connect(api.v1.CredentialService, server.address, SERVICE_CONFIG);
  const refused = await call(client, "ModifyPWByDomain", { domain_name: "absent.example" }, "not-a-token");
  assert.strictEqual(refused.code, grpc.status.UNAUTHENTICATED);
  assert.match(refused.metadata.get("x-request-id")[0], /^[0-9A-F-]{36}$/);
  client.close();
});

test("eight calls at once on one worker all succeed under the service config", async (t) => {
  const server = await Server.start(t);
  const names = await createDomains(server, 8);
  const change = (client, name) => {
    const request = { domain_name: name, password: "DM1mail1234", client_token: crypto.randomUUID() };
    return call(client, "ModifyPWByDomain", request, server.root);
  };
  const client = connect(api.v1.CredentialService, server.address, SERVICE_CONFIG);
  for (const answer of await Promise.all(names.map((name) => change(client, name)))) {
    assert.strictEqual(answer.code, "OK", answer);
  }
  client.close();
});

test("no call sees a restart under the service config", async (t) => {
  const server = await Server.start(t);
  const [domain] = await createDomains(server, 1);
  const client = connect(api.v1.VerificationService, server.address, SERVICE_CONFIG);
  const request = { subject: { mail_domain: domain }, password: "DM1mail1234" };
  const check = () => call(client, "CheckPassword", request, server.root);
  const admin = connect(api.admin.v1.AdminService, server.address, SERVICE_CONFIG);
  const describe = () => call(admin, "DescribeMailDomain", { domain_name: domain }, server.root);
  let answers = 0;
  let isOver = false;
  const calls = (async () => {
    for (; !isOver; answers += 1) {
      const answer = await check();
      assert.strictEqual(answer.accepted, true, answer);
      const described = await describe();
      assert.strictEqual(described.mail_domain?.domain_name, domain, described);
    }
  })();
  await server.stop();
  const before = answers;
  await server.serve();
  const goOn = (async () => {
    while (answers <= before) await new Promise((later) => setTimeout(later, 50));
    isOver = true;
  })();
  await Promise.race([calls, goOn]);
  await calls;
  client.close();
  admin.close();
});

test("a client certificate is a caller over TLS", async (t) => {
  const server = await Server.start(t);
  await server.stop();
  const file = (name) => path.join(server.data, name);
  const openssl = (...words) => execFileSync("openssl", words, { stdio: "ignore" });
  const newKey = (name) => ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file(name)];
  openssl("req", "-x509", ...newKey("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=ca");
  const certify = (name, extensions) => {
    fs.writeFileSync(file("extensions"), extensions);
    openssl("req", ...newKey(`${name}.key`), "-out", file("csr"), "-subj", `/CN=${name}`);
    const issuer = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"];
    openssl("x509", "-req", "-in", file("csr"), ...issuer, "-out", file(`${name}.pem`), "-extfile", file("extensions"));
  };
  certify("server", "subjectAltName=IP:127.0.0.1\n");
  certify("client", "subjectAltName=URI:spiffe://example.org/root\nextendedKeyUsage=clientAuth\n");
  fs.writeFileSync(file("callers"), "spiffe://example.org/root root demo\n");
  fs.chmodSync(file("server.key"), 0o600);
  server.environment = { CREDENTIALD_TLS_CERTIFICATE_FILE: "any", CREDENTIALD_TLS_KEY_FILE: "any" };
  const own = ["--tls-certificate-file", file("server.pem"), "--tls-key-file", file("server.key")];
  const clients = ["--tls-client-ca-file", file("ca.pem"), "--tls-client-certificates", "optional"];
  await server.serve(...own, ...clients, "--tls-client-callers-file", file("callers"));

  const read = (name) => fs.readFileSync(file(name));
  const ca = read("ca.pem");
  const withCertificate = grpc.credentials.createSsl(ca, read("client.key"), read("client.pem"));
  for (const [credentials, token, code] of [
    [withCertificate, undefined, undefined],
    [withCertificate, server.root, undefined],
    [withCertificate, "not-a-token", grpc.status.UNAUTHENTICATED],
    [grpc.credentials.createSsl(ca), undefined, grpc.status.UNAUTHENTICATED],
    [grpc.credentials.createSsl(ca), server.root, undefined],
  ]) {
    const client = new api.admin.v1.AdminService(server.address, credentials);
    const answer = await call(client, "ListRamUsers", {}, token);
    assert.strictEqual(answer.code, code, answer);
    client.close();
  }
});
