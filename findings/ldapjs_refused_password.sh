#!/usr/bin/env bash
# ldapjs reports a change of a password (RFC 3062) that the server refused as done.
#
# Versions: ldapjs 3.0.7 with @ldapjs/messages 1.3.0, ldapts 8.2.0 (npm), with Node.js 20. By hand also with OpenLDAP 2.5.13.
# Expected: an error: RFC 4511 §4.12 has the server say in the `resultCode` how an extended operation ended, and `exop` calls back
#           with an error if it isn't 0. For other operations ldapjs does, and for this one ldapts does.
# Seen:     no error, and `status` 0 in the answer, for each code tried: ldapjs makes a new answer from the value alone, for "password
#           modify" and for "who am I". OpenLDAP refused with 19 ("Password fails quality checking policy"; the old password went
#           on working) and with 32 (no such entry). If the server agrees, all is right (the control).
# So:       don't take the callback for an answer. Change passwords with ldapts, or with a `modify` of `userPassword`, whose error
#           ldapjs does report, or sign in with the new password before the old one is forgotten.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >package.json <<'END'
{ "dependencies": { "ldapjs": "3.0.7", "ldapts": "8.2.0" }, "overrides": { "@ldapjs/messages": "1.3.0" } }
END
npm install --silent --no-audit --no-fund

# A server that refuses each extended operation, except for one entry, and both clients.
cat >seen.js <<'END'
const ldapjs = require("ldapjs");
const ldapts = require("ldapts");

const operations = { "password modify": "1.3.6.1.4.1.4203.1.11.1", "who am I": "1.3.6.1.4.1.4203.1.11.3", another: "1.3.6.1.1.21.3" };
const server = ldapjs.createServer();
for (const id of Object.values(operations)) {
  server.exop(id, (request, response, next) => {
    if (request.requestValue?.userIdentity === "uid=agrees") response.end();
    else next(new ldapjs.ConstraintViolationError("refused"));
    return next;
  });
}

const part = (tag, value) => Buffer.concat([Buffer.from([tag, value.length]), Buffer.from(value)]);
const changes = (entry) => part(0x30, Buffer.concat([part(0x80, entry), part(0x82, "new-password")]));

async function byLdapts(url, id, entry) {
  const client = new ldapts.Client({ url });
  try {
    await client.exop(id, entry && changes(entry));
    return "done";
  } catch (error) {
    return error.name;
  } finally {
    await client.unbind();
  }
}

async function byLdapjs(url, id, entry) {
  const client = ldapjs.createClient({ url });
  await new Promise((told) => client.on("connect", told));
  const value = entry && { userIdentity: entry, newPassword: "new-password" };
  const answer = await new Promise((told) =>
    client.exop(id, value, (error, _value, response) => told(error ? error.name : `done (status ${response.status})`)),
  );
  client.unbind();
  return answer;
}

server.listen(0, "127.0.0.1", async () => {
  const calls = [
    ["password modify", "uid=agrees"],
    ["password modify", "uid=refuses"],
    ["who am I", undefined],
    ["another", undefined],
  ];
  for (const [name, entry] of calls) {
    const id = operations[name];
    const ldaptsSaw = await byLdapts(server.url, id, entry);
    console.log(`${name} ${entry ?? ""}: ldapts ${ldaptsSaw}, ldapjs ${await byLdapjs(server.url, id, entry)}`);
  }
  process.exit(0);
});
END

printed=$(timeout 60 node seen.js)
echo "$printed"
[[ $printed == "password modify uid=agrees: ldapts done, ldapjs done (status 0)
password modify uid=refuses: ldapts ConstraintViolationError, ldapjs done (status 0)
who am I : ldapts ConstraintViolationError, ldapjs done (status 0)
another : ldapts ConstraintViolationError, ldapjs ConstraintViolationError" ]]
