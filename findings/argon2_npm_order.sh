#!/usr/bin/env bash
# The npm package argon2 writes the parameters of a hash in an order that libargon2 does not read.
#
# Versions: argon2 0.45.1, @node-rs/argon2 2.2.1 (npm), with Node.js 20; argon2-cffi 25.1.0 (PyPI), which is libargon2.
# Expected: `m=…,t=…,p=…`: the PHC string format has the parameters in the order in which the function's specification lists
#           them, and for Argon2 it lists m, t, p. @node-rs/argon2 writes that.
# Seen:     `m=…,p=…,t=…`, and argon2-cffi raises "Decoding failed" for the right password. Put into order by hand, the same
#           hash verifies (the control).
# So:       reorder the parameters when hashes leave such an application, and compare parameters by name, not as a text.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund argon2@0.45.1 @node-rs/argon2@2.2.1
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check argon2-cffi==25.1.0

cat >hash.js <<'END'
const settings = { memoryCost: 1024, timeCost: 2, parallelism: 1 };

(async () => {
  console.log(await require("@node-rs/argon2").hash("password", settings));
  console.log(await require("argon2").hash("password", settings));
})();
END

cat >seen.py <<'END'
import subprocess

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError


def verified(hash):
    try:
        return PasswordHasher().verify(hash, "password")
    except VerificationError as error:
        return error


def in_order(hash):
    parts = hash.split("$")
    parts[3] = ",".join(sorted(parts[3].split(","), key=lambda parameter: "mtp".index(parameter[0])))
    return "$".join(parts)


node_rs, npm = subprocess.check_output(["node", "hash.js"], text=True).split()
for name, hash in [("@node-rs/argon2", node_rs), ("argon2", npm), ("argon2, in order", in_order(npm))]:
    print(f"{name}: {hash.split('$')[3]} {verified(hash)}")
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "@node-rs/argon2: m=1024,t=2,p=1 True
argon2: m=1024,p=1,t=2 Decoding failed
argon2, in order: m=1024,t=2,p=1 True" ]]
