#!/usr/bin/env bash
# The PyPI package bcrypt takes `$2x$` for `$2b$`.
#
# Versions: bcrypt 5.0.0 (PyPI), with Perl's `crypt` of libxcrypt 4.4.33 (Debian 12).
# Expected: `$2x$` marks hashes of the old crypt_blowfish, which extended the sign of bytes above 127: crypt(5) has it so, and
#           libxcrypt makes and verifies such hashes. A library without that way refuses the mark.
# Seen:     bcrypt takes it and makes the ordinary hash under it. So it refuses the right password for a real `$2x$` hash, and
#           libxcrypt refuses it for one of bcrypt's. With bytes below 128, and with `$2b$`, they agree (the controls).
# So:       do not verify `$2x$` with this package. Have those few users choose another password.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check bcrypt==5.0.0

cat >seen.py <<'END'
import subprocess

import bcrypt

for password in "password".encode(), "pässword".encode():
    for mark in b"$2b$", b"$2x$":
        setting = mark + b"05$abcdefghijklmnopqrstuu"
        theirs = subprocess.check_output(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, setting])
        same, verified = bcrypt.hashpw(password, setting) == theirs, bcrypt.checkpw(password, theirs)
        print(f"{password.decode()} {mark.decode()[1:3]}: same {same}, verified {verified}")
END

printed=$(PYTHONIOENCODING=utf-8 python/bin/python seen.py)
echo "$printed"
[[ $printed == "password 2b: same True, verified True
password 2x: same True, verified True
pässword 2b: same True, verified True
pässword 2x: same False, verified False" ]]
