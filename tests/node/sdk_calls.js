// What the vendors' SDKs for Node.js make of the edge, for `sdk_test.js`: the variable SDK_CALLS has what they need, and names
// the file for what they find. A process of its own, because they learn of a CA as it starts (NODE_EXTRA_CA_CERTS).
"use strict";

const fs = require("node:fs");

const { $OpenApiUtil } = require("@alicloud/openapi-core");
const { RPCClient } = require("@alicloud/pop-core");
const { default: RamClient, ChangePasswordRequest } = require("@alicloud/ram20150501");
const { GlobalCredentials } = require("@huaweicloud/huaweicloud-sdk-core");
const { IamClient } = require("@huaweicloud/huaweicloud-sdk-iam/v5/IamClient");
const { ChangePasswordReqBody } = require("@huaweicloud/huaweicloud-sdk-iam/v5/model/ChangePasswordReqBody");
const { ChangePasswordV5Request } = require("@huaweicloud/huaweicloud-sdk-iam/v5/model/ChangePasswordV5Request");

const PATIENCE = 60_000;
const { endpoint, protocol, ramUser, iamUser, passwords, results } = JSON.parse(process.env.SDK_CALLS);

/** The current SDK of Alibaba Cloud: parameters in the query, signed in the headers. */
function current(oldPassword, newPassword) {
  // Its own limit is three seconds, and too short for a machine that is busy.
  const config = { accessKeyId: ramUser.id, accessKeySecret: ramUser.secret, protocol, endpoint, readTimeout: PATIENCE };
  const client = new RamClient(new $OpenApiUtil.Config(config));
  return client.changePassword(new ChangePasswordRequest({ oldPassword, newPassword }));
}

/** The old one, by POST: a form, signed in its parameters. */
function popCore(OldPassword, NewPassword) {
  const { id: accessKeyId, secret: accessKeySecret } = ramUser;
  const client = new RPCClient({ accessKeyId, accessKeySecret, endpoint: `${protocol}://${endpoint}`, apiVersion: "2015-05-01" });
  return client.request("ChangePassword", { OldPassword, NewPassword }, { method: "POST", timeout: PATIENCE });
}

/** That of Huawei Cloud: JSON, signed in the headers. */
function huawei(old_password, new_password) {
  const credentials = new GlobalCredentials().withAk(iamUser.id).withSk(iamUser.secret).withDomainId("any-domain-id");
  const client = IamClient.newBuilder().withCredential(credentials).withEndpoint(`${protocol}://${endpoint}`).build();
  const body = new ChangePasswordReqBody().withOldPassword(old_password).withNewPassword(new_password);
  return client.changePasswordV5(new ChangePasswordV5Request().withBody(body));
}

/** What a caller learns of an answer: what it can use of a success, and of an error. */
async function outcome(call) {
  try {
    const done = await call;
    return { done: true, status: done.statusCode ?? done.httpStatusCode, requestId: done.body?.requestId ?? done.RequestId };
  } catch (error) {
    const { name, code, statusCode, errorCode, httpStatusCode, requestId, data } = error;
    return { name, code: errorCode ?? code, status: httpStatusCode ?? statusCode, requestId: requestId ?? data?.RequestId };
  }
}

async function main() {
  const [first, second, third] = passwords.ramUser;
  const found = {
    currentDone: await outcome(current(first, second)),
    currentRefused: await outcome(current("not-it", third)),
    popCoreDone: await outcome(popCore(second, third)),
    popCoreRefused: await outcome(popCore(third, "x")),
    huaweiDone: await outcome(huawei(passwords.iamUser[0], passwords.iamUser[1])),
    huaweiRefused: await outcome(huawei("not-it", passwords.iamUser[0])),
  };
  fs.writeFileSync(results, JSON.stringify(found));
  // They keep connections open.
  process.exit(0);
}

main();
