"""Real systems sign people in by `credentiald verify`, each configured as docs/relying-systems.md shows.

Run by `tests/all` as root, or by hand with the path of the binary in TEST_BINARY and the programs installed.
"""

import base64
import http.client
import imaplib
import os
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import time
import unittest
from pathlib import Path

from service import ROOT, SECONDS, AcmeTest, eventually, free_address

DOCUMENT = (ROOT / "docs/relying-systems.md").read_text()
TOKEN_FILE = r"/etc/credentiald/\w+\.token"


def shown(language, *places):
    """The document's block in a language, with places of this machine."""
    block = DOCUMENT.split(f"```{language}\n", 1)[1].split("```", 1)[0]
    for pattern, here in places:
        block, count = re.subn(pattern, str(here), block)
        assert count > 0, pattern
    return block


class RelyingTest(AcmeTest):
    """A system that relies on the service."""

    def places(self):
        """Where things are here, of those that every block names."""
        return [("/usr/bin/credentiald", self.binary), (TOKEN_FILE, self.token), (r"127\.0\.0\.1:50051", self.address)]

    def answering(self, at, *flags):
        """A running `verify --http`, and where it answers."""
        flags = ["--subject-kind", "ram-user", "--origin-header", "X-Real-IP", "--token-file", self.token, *flags]
        command = [self.binary, "verify", "--http", at, *flags]
        process = self.started(*command, env=self.environment, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        return process, process.stdout.readline().split()[-1]

    def started(self, *command, **options):
        process = subprocess.Popen(command, **options)
        self.addCleanup(process.wait, SECONDS)
        self.addCleanup(process.terminate)
        return process

    def await_port(self, process, address):
        host, port = address.split(":")
        end = time.monotonic() + SECONDS
        while True:
            self.assertIsNone(process.poll(), f"{process.args} has ended")
            try:
                return socket.create_connection((host, int(port)), SECONDS).close()
            except OSError:
                self.assertLess(time.monotonic(), end, f"{process.args} does not listen")
                time.sleep(0.1)


class CheckpasswordTest(RelyingTest):
    """The protocol itself."""

    def exit_status(self, user, password, *program, kind="ram-user", token=None, flags=(), closes=True, **environment):
        receives, sends = os.pipe()
        sent = b"".join(part.encode() + b"\0" for part in (user, password, "0"))
        os.write(sends, sent)
        if closes:
            os.close(sends)
        flags = ["--subject-kind", kind, "--token-file", token or self.token, *flags]
        ran = subprocess.run(
            [self.binary, "verify", "--checkpassword", *flags, *program],
            env=self.environment | environment,
            # The descriptor that the protocol names.
            preexec_fn=lambda: os.dup2(receives, 3),
            pass_fds=[3],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        os.close(receives)
        if not closes:
            os.close(sends)
        self.printed = ran.stdout + ran.stderr
        return ran.returncode

    def test_the_program_runs_if_the_password_is_right(self):
        self.assertEqual(self.exit_status("alice", self.PASSWORD, "sh", "-c", "echo $USER; exit 5"), 5)
        self.assertEqual(self.printed, "alice\n")
        self.assertEqual(self.exit_status("alice", self.PASSWORD), 0)
        # It works for the user, and has no token.
        self.exit_status("alice", self.PASSWORD, "env", CREDENTIALD_TOKEN="cdt_secret")
        self.assertIn("USER=alice\n", self.printed)
        self.assertNotIn("CREDENTIALD_", self.printed)
        for user, password in [("alice", "wrong"), ("absent", self.PASSWORD), ("no name", self.PASSWORD), ("alice", "")]:
            with self.subTest(user=user, password=password):
                self.assertEqual(self.exit_status(user, password, "echo", "LET IN"), 1)
                self.assertEqual(self.printed, "")

    def test_a_password_that_has_to_be_changed_lets_nobody_in(self):
        reset = ["reset-password", "--tenant", "acme", "--ram-user", "alice", "--password-reset-required", "true"]
        self.admin(*reset, "--password-stdin", input="a password for now")
        self.assertEqual(self.exit_status("alice", "a password for now", "echo", "LET IN"), 1)
        self.assertIn("has to be changed", self.printed)

    def test_what_can_t_be_verified_is_not_wrong(self):
        cases = [
            (2, "only their passwords are verified", {"AUTHORIZED": "1"}),
            (2, "--domain is for users", {"kind": "mail-domain", "flags": ["--domain", "example.com"]}),
            (111, "/absent can't be read", {"token": "/absent"}),
            # Whoever asks never says that this was all.
            (111, "no answer within 1 seconds", {"flags": ["--within", "1"], "closes": False}),
        ]
        for status, said, options in cases:
            with self.subTest(said):
                self.assertEqual(self.exit_status("alice", self.PASSWORD, "echo", "LET IN", **options), status)
                self.assertIn(said, self.printed)
                self.assertNotIn("LET IN", self.printed)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            flags = ["--within", "1", "--address", address]
            self.assertEqual(self.exit_status("alice", self.PASSWORD, flags=flags), 111, self.printed)
        self.stop()
        self.assertEqual(self.exit_status("alice", self.PASSWORD, "echo", "LET IN"), 111)
        self.assertIn("can't reach", self.printed)

    def test_the_origin_goes_along(self):
        self.assertEqual(self.exit_status("alice", "wrong", TCPREMOTEIP="192.0.2.7"), 1)
        self.assertEqual((len(self.guesses_from("192.0.2.7")), self.guesses_from("192.0.2.8")), (1, []))


class DovecotTest(RelyingTest):
    """IMAP with Dovecot."""

    def setUp(self):
        super().setUp()
        self.imap = free_address()
        shutil.chown(self.token, group="dovecot")
        mail = self.folder / "mail"
        mail.mkdir()
        shutil.chown(mail, "nobody", "nogroup")
        self.spool = self.folder / "spool"
        (self.spool / "private").mkdir(parents=True)
        shutil.chown(self.spool / "private", "postfix")
        places = [("uid=vmail gid=vmail", "uid=nobody gid=nogroup"), ("/var/vmail", mail)]
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(
            f"""
            base_dir = {self.folder}/run
            state_dir = {self.folder}/run
            log_path = {self.folder}/dovecot.log
            protocols = imap
            listen = 127.0.0.1
            ssl = no
            disable_plaintext_auth = no
            auth_failure_delay = 0
            # After failures Dovecot delays each sign-in from that address, for longer than Postfix waits.
            service anvil {{
              unix_listener anvil-auth-penalty {{
                mode = 0
              }}
            }}
            first_valid_uid = 1
            mail_location = maildir:~/Maildir
            service imap-login {{
              inet_listener imap {{
                port = {self.imap.split(":")[1]}
              }}
              inet_listener imaps {{
                port = 0
              }}
            }}
            """
            + shown("dovecot", *self.places(), *places)
            + shown("conf", ("/var/spool/postfix", self.spool))
        )
        process = self.started("dovecot", "-F", "-c", configuration)
        self.await_port(process, self.imap)

    def sign_in(self, user, password):
        """What the server answers to a login that fails, or the number of messages in the inbox."""
        host, port = self.imap.split(":")
        with imaplib.IMAP4(host, int(port), timeout=SECONDS) as client:
            try:
                client.login(user, password)
            except imaplib.IMAP4.error as error:
                return str(error)
            return client.select("INBOX")[1][0]

    def test_a_login_is_right_wrong_or_can_t_be_verified_now(self):
        self.assertEqual(self.sign_in("alice@example.com", self.PASSWORD), b"0", self.log())
        for user, password in [("alice@example.com", "wrong"), ("alice@example.org", self.PASSWORD)]:
            self.assertIn("[AUTHENTICATIONFAILED]", self.sign_in(user, password), self.log())
        self.assertEqual((len(self.guesses_from("127.0.0.1")), self.guesses_from("192.0.2.7")), (1, []))

        self.stop()
        self.assertIn("[UNAVAILABLE]", self.sign_in("alice@example.com", self.PASSWORD), self.log())
        self.serve()
        self.assertEqual(self.sign_in("alice@example.com", self.PASSWORD), b"0", self.log())

    def log(self):
        logs = [self.folder / "dovecot.log", self.folder / "postfix.log"]
        return "".join(log.read_text() for log in logs if log.exists())

    def test_postfix_signs_in_who_has_the_password(self):
        smtp = free_address()
        folder = self.folder / "postfix"
        folder.mkdir()
        data = self.folder / "data"
        data.mkdir()
        shutil.chown(data, "postfix")
        (folder / "main.cf").write_text(
            f"""
            compatibility_level = 3.6
            queue_directory = {self.spool}
            data_directory = {data}
            maillog_file = {self.folder}/postfix.log
            maillog_file_prefixes = {self.folder}
            myhostname = mail.example.com
            inet_protocols = ipv4
            """.replace("\n            ", "\n")
            # There is no certificate here.
            + shown("ini", ("smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = no"))
        )
        (folder / "master.cf").write_text(
            f"{smtp} inet n - n - - smtpd\n"
            "postlog unix-dgram n - n - 1 postlogd\n"
            "anvil unix - - n - 1 anvil\n"
            "rewrite unix - - n - - trivial-rewrite\n"
            "proxymap unix - - n - - proxymap\n"
            "cleanup unix n - n - 0 cleanup\n"
        )
        process = self.started("postfix", "-c", folder, "start-fg", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stop = ["postfix", "-c", folder, "stop"]
        self.addCleanup(subprocess.run, stop, capture_output=True, timeout=SECONDS)
        self.await_port(process, smtp)
        host, port = smtp.split(":")

        def sign_in(user, password):
            with smtplib.SMTP(host, int(port), timeout=SECONDS) as client:
                client.ehlo("client.example.com")
                answer = client.docmd("AUTH PLAIN", base64.b64encode(f"\0{user}\0{password}".encode()).decode())
                return answer[0], answer[1].decode()

        self.assertEqual(sign_in("alice@example.com", self.PASSWORD)[0], 235, self.log())
        self.assertEqual(sign_in("alice@example.com", "wrong")[0], 535, self.log())
        self.assertEqual(sign_in("alice@example.org", self.PASSWORD)[0], 535, self.log())
        self.assertEqual((len(self.guesses_from("127.0.0.1")), self.guesses_from("192.0.2.7")), (1, []))
        self.stop()
        # Postfix 3.7 does not tell what Dovecot calls temporary.
        self.assertEqual(sign_in("alice@example.com", self.PASSWORD)[0], 535, self.log())
        self.serve()
        self.assertEqual(sign_in("alice@example.com", self.PASSWORD)[0], 235, self.log())


class PamTest(RelyingTest):
    """A sign-in by PAM."""

    def sign_in(self, user, password, *, edit=lambda shown: shown, host="192.0.2.7"):
        """The exit status of pamtester, and what it prints."""
        name = f"credentiald-test-{os.getpid()}"
        service = Path("/etc/pam.d") / name
        self.addCleanup(service.unlink, missing_ok=True)
        service.write_text(edit(shown("pam", *self.places())))
        command = ["pamtester", "-I", f"rhost={host}", name, user, "authenticate"]
        ran = subprocess.run(command, input=f"{password}\n", capture_output=True, text=True, timeout=SECONDS)
        return ran.returncode, ran.stdout + ran.stderr

    def test_a_sign_in_is_right_wrong_or_can_t_be_verified_now(self):
        status, printed = self.sign_in("alice", self.PASSWORD)
        self.assertEqual((status, "successfully authenticated" in printed), (0, True), printed)

        def loud(shown):
            return shown.replace("quiet ", "")

        status, printed = self.sign_in("alice", "wrong", edit=loud)
        self.assertEqual((status != 0, "exit code 3" in printed), (True, True), printed)
        self.assertEqual((len(self.guesses_from("192.0.2.7")), self.guesses_from("192.0.2.8")), (1, []))
        self.assertNotEqual(self.sign_in("absent", self.PASSWORD)[0], 0)
        status, printed = self.sign_in("alice", self.PASSWORD, host="a host that is no origin")
        self.assertEqual(status, 0, printed)
        self.stop()
        status, printed = self.sign_in("alice", self.PASSWORD, edit=loud)
        self.assertEqual((status != 0, "exit code 75" in printed), (True, True), printed)

    def test_nothing_but_a_sign_in_is_answered(self):
        for kind in ("account", "open_session", "password"):
            flags = ["verify", "--pam", "--subject-kind", "ram-user", "--token-file", self.token]
            ran = self.run_binary(*flags, input=self.PASSWORD, PAM_TYPE=kind, PAM_USER="alice")
            self.assertEqual(ran.returncode, 2, ran.stderr)


class HttpTest(RelyingTest):
    """Requests of a proxy."""

    def response(self, connection, user=None, password=None, **headers):
        if user is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        connection.timeout = SECONDS
        connection.request("GET", "/index.html", headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        response.text = response.read()
        connection.close()
        return response

    def test_each_request_is_answered_without_a_body(self):
        process, address = self.answering("127.0.0.1:0")

        def ask(*credentials, **headers):
            response = self.response(http.client.HTTPConnection(address), *credentials, **headers)
            self.assertEqual((response.text, response.getheader("Cache-Control")), (b"", "no-store"))
            return response.status, response.getheader("WWW-Authenticate")

        challenge = 'Basic realm="credentiald", charset="UTF-8"'
        self.assertEqual(ask("alice", self.PASSWORD, X_Real_IP="192.0.2.7"), (200, None))
        self.assertEqual(ask(), (401, challenge))
        self.assertEqual(ask("alice", "wrong", X_Real_IP="192.0.2.7"), (401, challenge))
        self.assertEqual(ask("no name", "wrong"), (401, challenge))
        self.assertEqual(ask(Authorization="Basic !"), (401, challenge))
        self.assertEqual((len(self.guesses_from("192.0.2.7")), self.guesses_from("192.0.2.8")), (1, []))
        self.stop()
        self.assertEqual(ask("alice", self.PASSWORD), (503, None))
        self.serve()
        self.assertEqual(ask("alice", self.PASSWORD), (200, None))
        reset = ["reset-password", "--tenant", "acme", "--ram-user", "alice", "--password-reset-required", "true"]
        self.admin(*reset, "--password-stdin", input="a password for now")
        self.assertEqual(ask("alice", "a password for now"), (403, None))
        process.terminate()
        self.assertEqual(process.wait(SECONDS), 0)

    def test_a_new_token_is_used_once_it_is_in_the_file(self):
        _, address = self.answering("127.0.0.1:0")

        def status():
            return self.response(http.client.HTTPConnection(address), "alice", self.PASSWORD).status

        self.assertEqual(status(), 200)
        token = Path(self.token)
        good = token.read_text()
        for text, expected in [("no token of the service", 503), (None, 503), ("", 503), (good, 200)]:
            token.unlink(missing_ok=True)
            if text is not None:
                token.touch(0o600)
                token.write_text(text)
            self.assertEqual(status(), expected, text)

    def test_a_unix_socket_is_for_its_group(self):
        path = self.folder / "verify.sock"
        for _ in range(2):
            process, _ = self.answering(f"unix:{path}")
            self.assertEqual(path.stat().st_mode & 0o777, 0o660)
            connection = http.client.HTTPConnection("localhost")
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(path))
            self.assertEqual(self.response(connection, "alice", self.PASSWORD).status, 200)
            # The socket that it leaves behind is in nobody's way.
            process.kill()
            process.wait(SECONDS)

    def test_nobody_waits_for_a_service_that_does_not_answer(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent_address = f"127.0.0.1:{silent.getsockname()[1]}"
            _, address = self.answering("127.0.0.1:0", "--within", "1", "--address", silent_address)
            response = self.response(http.client.HTTPConnection(address), "alice", self.PASSWORD)
            self.assertEqual(response.status, 503)

    def test_nginx_lets_in_who_has_the_password(self):
        _, address = self.answering("127.0.0.1:0")
        front = free_address()
        pages = self.folder / "pages"
        pages.mkdir()
        (pages / "index.html").write_text("a private page")
        certificate = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        certificate += ["-subj", "/CN=localhost", "-keyout", "web.key", "-out", "web.pem"]
        subprocess.run(certificate, check=True, capture_output=True, cwd=self.folder)
        places = [("/var/www/private", pages), ("/etc/credentiald", self.folder), (r"127\.0\.0\.1:8090", address)]
        server = shown("nginx", *places, ("listen 443", f"listen {front}"))
        configuration = self.folder / "nginx.conf"
        configuration.write_text(f"daemon off; pid {configuration}.pid; events {{}} http {{ access_log off; {server} }}")
        log = self.enterContext((self.folder / "nginx.log").open("w"))
        self.await_port(self.started("nginx", "-e", "stderr", "-c", configuration, stderr=log), front)

        context = ssl.create_default_context(cafile=self.folder / "web.pem")
        context.check_hostname = False

        def page(*credentials, **headers):
            response = self.response(http.client.HTTPSConnection(front, context=context), *credentials, **headers)
            return response.status, response.getheader("WWW-Authenticate"), response.text == b"a private page"

        challenge = 'Basic realm="credentiald", charset="UTF-8"'
        self.assertEqual(page(), (401, challenge, False))
        self.assertEqual(page("alice", self.PASSWORD), (200, None, True))
        self.assertEqual(page("alice", "wrong", X_Real_IP="192.0.2.7"), (401, challenge, False))
        # What the client says about itself does not count.
        self.assertEqual((len(self.guesses_from("127.0.0.1")), self.guesses_from("192.0.2.7")), (1, []))
        self.stop()
        self.assertEqual(page("alice", self.PASSWORD), (503, None, False))


class RadiusTest(RelyingTest):
    """A sign-in by RADIUS."""

    SECRET = "shared between the two"

    def setUp(self):
        super().setUp()
        _, address = self.answering("127.0.0.1:0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        module = shown("radius", (r"127\.0\.0\.1:8090", address))
        (self.folder / "radiusd.conf").write_text(
            f"""
            name = freeradius
            libdir = /usr/lib/freeradius
            run_dir = {self.folder}
            security {{
              reject_delay = 0
            }}
            log {{
              destination = stdout
            }}
            thread pool {{
              start_servers = 1
              max_servers = 4
              min_spare_servers = 1
              max_spare_servers = 2
            }}
            client nas {{
              ipaddr = 127.0.0.1
              secret = "{self.SECRET}"
            }}
            modules {{
              $INCLUDE /etc/freeradius/3.0/mods-available/always
              {module}
            }}
            policy {{
              $INCLUDE /etc/freeradius/3.0/policy.d/control
            }}
            server default {{
              listen {{
                type = auth
                ipaddr = 127.0.0.1
                port = {self.port}
              }}
              {shown("unlang")}
            }}
            """
        )
        (self.folder / "dictionary").touch()
        self.output = self.folder / "radius.log"
        log = self.enterContext(self.output.open("w"))
        process = self.started("freeradius", "-f", "-l", "stdout", "-d", self.folder, stdout=log, stderr=log)
        eventually(self, lambda: "Ready to process requests" in self.output.read_text(), self.output.read_text, process)

    def sign_in(self, user, password, within=SECONDS // 2):
        """What the server answers, if it does within so many seconds."""
        request = f'User-Name = "{user}", User-Password = "{password}", Calling-Station-Id = "192.0.2.7"\n'
        secret = self.folder / "radius.secret"
        secret.write_text(self.SECRET)
        server = f"127.0.0.1:{self.port}"
        command = ["radclient", "-r", "1", "-t", str(within), "-S", secret, server, "auth"]
        ran = subprocess.run(command, input=request, capture_output=True, text=True, timeout=SECONDS)
        self.assertIn("Sent Access-Request", ran.stdout, ran.stderr)
        answer = re.search(r"Received (Access-\w+)", ran.stdout)
        return answer and answer.group(1)

    def test_a_sign_in_is_right_wrong_or_not_answered_now(self):
        self.assertEqual(self.sign_in("alice", self.PASSWORD), "Access-Accept", self.output.read_text())
        self.assertEqual(self.sign_in("alice", "wrong"), "Access-Reject")
        self.assertEqual(self.sign_in("absent", self.PASSWORD), "Access-Reject")
        self.assertEqual((len(self.guesses_from("192.0.2.7")), self.guesses_from("192.0.2.8")), (1, []))
        self.stop()
        self.assertIsNone(self.sign_in("alice", self.PASSWORD, within=3), self.output.read_text())
        # It has asked, and the answer was that this can't be decided now.
        self.assertIn("rest: ERROR", self.output.read_text())
        self.serve()
        self.assertEqual(self.sign_in("alice", self.PASSWORD), "Access-Accept", self.output.read_text())
        reset = ["reset-password", "--tenant", "acme", "--ram-user", "alice", "--password-reset-required", "true"]
        self.admin(*reset, "--password-stdin", input="a password for now")
        self.assertEqual(self.sign_in("alice", "a password for now"), "Access-Reject")


if __name__ == "__main__":
    unittest.main()
