#!/usr/bin/env bash
# The Rust crate sha-crypt writes salts of 22 characters, of which sha-crypt uses 16.
#
# Versions: sha-crypt 0.6.0 (crates.io), with Perl's `crypt` of libxcrypt 4.4.33 (Debian 12); passlib 1.7.4 (PyPI).
# Expected: at most 16 characters of salt, as crypt(5) and Drepper's specification of SHA-crypt have it, so that
#           `crypt(password, hash)` gives the hash again.
# Seen:     the hash of the defaults has 22. `crypt` answers with the same hash behind the first 16, which is another text, so
#           that PAM, shadow and whatever else compares the texts refuses the right password; passlib raises "salt too
#           large". With the salt cut to 16 by hand, both verify it (the control).
# So:       cut the salt in such a hash to 16 characters when it leaves the application, or give the crate a salt of 12 bytes.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check passlib==1.7.4

mkdir src
cat >Cargo.toml <<'END'
[package]
name = "seen"
version = "0.0.0"
edition = "2024"

[dependencies]
sha-crypt = { version = "=0.6.0", features = ["getrandom"] }
END
cat >src/main.rs <<'END'
use sha_crypt::{PasswordHasher, ShaCrypt};

fn main() {
    println!("{}", ShaCrypt::default().hash_password(b"password").unwrap());
}
END
hash=$(CARGO_TARGET_DIR=$folder/target cargo run --quiet)

cat >seen.py <<'END'
import subprocess
import sys

from passlib.hash import sha512_crypt


def libxcrypt(hash):
    return subprocess.check_output(["perl", "-e", "print crypt('password', $ARGV[0])", hash], text=True) == hash


def passlib(hash):
    try:
        return sha512_crypt.verify("password", hash)
    except ValueError as error:
        return error


_, kind, rounds, salt, tag = sys.argv[1].split("$")
for length in len(salt), 16:
    hash = "$".join(["", kind, rounds, salt[:length], tag])
    print(f"{length}: libxcrypt {libxcrypt(hash)}, passlib {passlib(hash)}")
END

printed=$(python/bin/python seen.py "$hash")
echo "$printed"
[[ $printed == "22: libxcrypt False, passlib salt too large (sha512_crypt requires <= 16 chars)
16: libxcrypt True, passlib True" ]]
