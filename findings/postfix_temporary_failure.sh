#!/usr/bin/env bash
# Postfix answers 535, a wrong password, where Dovecot says that a sign-in can't be decided now.
#
# Versions: Postfix 3.7.11 and Dovecot 2.3.19 (Debian 12's postfix, dovecot-core and dovecot-imapd, which have to be installed; run as
#           root).
# Expected: 454 4.7.0, "Temporary authentication failure" (RFC 4954, section 6). Dovecot's authentication protocol has `temp` in
#           such a FAIL: "temporary internal failure".
# Seen:     535 5.7.8, as for a wrong password. Dovecot's own IMAP tells the two apart (the control): [UNAVAILABLE] and
#           [AUTHENTICATIONFAILED].
# So:       expect mail clients to ask for the password again while what Dovecot asks is away.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .

cat >checkpassword <<'END'
#!/usr/bin/python3
import os
import sys

user = os.read(3, 512).split(b"\0")[0]
if user == b"wrong":
    sys.exit(1)
if user == b"later":
    sys.exit(111)
os.environ["USER"] = user.decode()
os.execv(sys.argv[1], sys.argv[1:])
END
chmod 755 checkpassword
mkdir -p spool/private data mail postfix
chown postfix spool/private data
chown nobody:nogroup mail

cat >seen.py <<'END'
import base64
import imaplib
import os
import pathlib
import re
import smtplib
import socket
import subprocess
import time

here = pathlib.Path.cwd()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def await_port(port):
    end = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 30).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


imap, smtp = free_port(), free_port()
(here / "dovecot.conf").write_text(f"""
base_dir = {here}/run
state_dir = {here}/run
log_path = {here}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
first_valid_uid = 1
mail_location = maildir:~/Maildir
passdb {{
  driver = checkpassword
  args = {here}/checkpassword
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={here}/mail/%n
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {here}/spool/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
""")
(here / "postfix/main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {here}/spool
data_directory = {here}/data
maillog_file = {here}/postfix.log
maillog_file_prefixes = {here}
myhostname = mail.example.com
inet_protocols = ipv4
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
""")
(here / "postfix/master.cf").write_text(f"""
127.0.0.1:{smtp} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
cleanup unix n - n - 0 cleanup
""")


def by_imap(user):
    with imaplib.IMAP4("127.0.0.1", imap, timeout=60) as client:
        try:
            client.login(user, "password")
        except imaplib.IMAP4.error as error:
            return re.search(r"\[\w+\]", str(error)).group()
        return "OK"


def by_smtp(user):
    with smtplib.SMTP("127.0.0.1", smtp, timeout=60) as client:
        client.ehlo("client.example.com")
        code, text = client.docmd("AUTH PLAIN", base64.b64encode(f"\0{user}\0password".encode()).decode())
        return f"{code} {text.split()[0].decode()}"


quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
dovecot = subprocess.Popen(["dovecot", "-F", "-c", "dovecot.conf"], **quiet)
postfix = subprocess.Popen(["postfix", "-c", here / "postfix", "start-fg"], **quiet)
try:
    await_port(imap)
    await_port(smtp)
    users = ["right", "wrong", "later"]
    print("by IMAP:", ", ".join(f"{user} {by_imap(user)}" for user in users))
    print("by SMTP:", ", ".join(f"{user} {by_smtp(user)}" for user in users))
finally:
    subprocess.run(["postfix", "-c", here / "postfix", "stop"], **quiet)
    for process in (dovecot, postfix):
        process.terminate()
        process.wait()
END

printed=$(python3 seen.py)
echo "$printed"
[[ $printed == "by IMAP: right OK, wrong [AUTHENTICATIONFAILED], later [UNAVAILABLE]
by SMTP: right 235 2.7.0, wrong 535 5.7.8, later 535 5.7.8" ]]
