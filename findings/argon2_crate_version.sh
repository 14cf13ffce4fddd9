#!/usr/bin/env bash
# The Rust crate argon2 reads a hash without `v=` as version 19.
#
# Versions: argon2 0.6.0 (crates.io); argon2-cffi 25.1.0 (PyPI), which is libargon2.
# Expected: version 16: strings without `v=` are those from before version 19, which brought the field with it. libargon2, the
#           reference implementation, reads them so.
# Seen:     the crate refuses the right password for such a hash, and libargon2 verifies it. With `v=16` written into the same
#           hash, both verify it (the control).
# So:       write `v=16` into strings that have no version before this crate reads them.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check argon2-cffi==25.1.0

mkdir src
cat >Cargo.toml <<'END'
[package]
name = "seen"
version = "0.0.0"
edition = "2024"

[dependencies]
argon2 = "=0.6.0"
END
cat >src/main.rs <<'END'
use argon2::{Argon2, PasswordVerifier};

fn main() {
    for hash in std::env::args().skip(1) {
        let parsed = argon2::PasswordHash::new(&hash).unwrap();
        println!("{}", Argon2::default().verify_password(b"password", &parsed).is_ok());
    }
}
END
CARGO_TARGET_DIR=$folder/target cargo build --quiet --release

cat >seen.py <<'END'
import subprocess

from argon2 import low_level
from argon2.exceptions import VerifyMismatchError

kind = low_level.Type.I
written = low_level.hash_secret(b"password", b"sixteen-bytes-of", 2, 1024, 1, 32, kind, version=16).decode()
hashes = [written, written.replace("$v=16", "")]
assert hashes[0] != hashes[1]
crate = subprocess.check_output(["target/release/seen", *hashes], text=True).split()


def libargon2(hash):
    try:
        return low_level.verify_secret(hash.encode(), b"password", kind)
    except VerifyMismatchError:
        return False


for hash, verified in zip(hashes, crate):
    print(f"{hash[:30]}…: libargon2 {libargon2(hash)}, the crate {verified}")
END

printed=$(PYTHONIOENCODING=utf-8 python/bin/python seen.py)
echo "$printed"
# shellcheck disable=SC2016
[[ $printed == '$argon2i$v=16$m=1024,t=2,p=1$c…: libargon2 True, the crate true
$argon2i$m=1024,t=2,p=1$c2l4dG…: libargon2 True, the crate false' ]]
