#!/usr/bin/env bash
# Flask-Security has a setting for the cost of each algorithm. With argon2, its default algorithm, each password fails with it.
#
# Versions: Flask-Security-Too 5.9.2, libpass 1.9.4, argon2-cffi 25.1.0, bcrypt 4.3.0 (PyPI).
# Expected: SECURITY_PASSWORD_HASH_OPTIONS = {"argon2": {"rounds": 4}} gives hashes with t=4, as the same setting for bcrypt
#           does (the control), or the application does not start.
# Seen:     the application starts, and `hash_password` raises a TypeError. The setting goes into `argon2.hash()`, and argon2's is
#           the one `hash()` of the library that takes no settings. `argon2.using(rounds=4).hash()` works.
# So:       leave argon2's options out and take its default cost, which this service imports with hashing.ceiling_kib = 65536;
#           or set them by `using` in code of your own.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check \
    Flask-Security-Too==5.9.2 libpass==1.9.4 argon2-cffi==25.1.0 bcrypt==4.3.0

printed=$(python/bin/python -W ignore - <<'END'
from flask import Flask
from flask_security import Security, hash_password
from flask_security.datastore import UserDatastore
from passlib.hash import argon2


class NoUsers(UserDatastore):
    def __init__(self):
        pass


def hashed(algorithm, options):
    app = Flask("application")
    app.config.update(
        SECRET_KEY="key",
        SECURITY_PASSWORD_SALT="salt",
        SECURITY_PASSWORD_HASH=algorithm,
        SECURITY_PASSWORD_HASH_OPTIONS={algorithm: options},
    )
    Security().init_app(app, NoUsers(), register_blueprint=False)
    with app.app_context():
        try:
            return hash_password("Correct-Horse_7")
        except TypeError:
            return "a TypeError"


print("bcrypt:", hashed("bcrypt", {"rounds": 5})[:7])
print("argon2 without options:", hashed("argon2", {})[:31])
print("argon2:", hashed("argon2", {"rounds": 4}))
print("argon2 by using:", argon2.using(rounds=4).hash("Correct-Horse_7")[:31])
END
)
echo "$printed"
[[ $printed == "bcrypt: \$2b\$05\$
argon2 without options: \$argon2id\$v=19\$m=65536,t=3,p=4\$
argon2: a TypeError
argon2 by using: \$argon2id\$v=19\$m=65536,t=4,p=4\$" ]]
