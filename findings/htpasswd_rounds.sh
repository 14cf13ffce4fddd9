#!/usr/bin/env bash
# htpasswd writes `*0` for a hash with fewer than 1000 rounds, and exits with 0.
#
# Versions: htpasswd of Debian 12's apache2-utils 2.4.71, OpenSSL 3.0 (Debian 12's openssl, which has to be installed).
# Expected: an error, or 1000 rounds: Drepper's specification of SHA-crypt raises a smaller number to that, and `openssl passwd`
#           does. htpasswd's own page and help name no least number for `-r`.
# Seen:     `htpasswd -5 -r 500` adds a user with `*0`, what crypt(3) answers for a setting that it does not take, which no
#           password matches. It says that the user was added. With `-r 1000` the password is verified (the control).
# So:       give 1000 rounds or more, and look for `*0` and `*1` before such a file is used or imported.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root apache2-utils libapr1 libaprutil1
for package in *.deb; do
    dpkg-deb --extract "$package" .
done
LD_LIBRARY_PATH=$(echo "$folder"/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH

for rounds in 1000 500; do
    openssl passwd -6 -salt "rounds=$rounds\$salt" password | cut --delimiter '$' --fields 1-3
    usr/bin/htpasswd -c -b -5 -r "$rounds" "$rounds" user password 2>said
    echo "exit $?, $(cut --delimiter '$' --fields 1-3 "$rounds"), $(cat said)"
    if usr/bin/htpasswd -v -b "$rounds" user password 2>/dev/null; then echo "verified"; else echo "not verified"; fi
done >printed

cat printed
diff - printed <<'END'
$6$rounds=1000
exit 0, user:$6$rounds=1000, Adding password for user user
verified
$6$rounds=1000
exit 0, user:*0, Adding password for user user
not verified
END
