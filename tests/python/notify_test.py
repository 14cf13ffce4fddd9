"""`credentiald notify` sends what the library of Standard Webhooks accepts.

Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY and the packages of requirements.txt installed.
"""

import http.server
import subprocess
import threading

from standardwebhooks import Webhook, WebhookVerificationError

from service import SECONDS, AcmeTest, eventually

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
OLD_SECRET = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4"


class NotifyTest(AcmeTest):
    """A receiver, and a sender to it."""

    def setUp(self):
        super().setUp()
        got = self.got = []

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                got.append((dict(self.headers), body.decode()))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}/events"

    def test_signatures_are_accepted_with_either_secret_and_no_other(self):
        secrets = self.folder / "secrets"
        secrets.touch(0o600)
        secrets.write_text(f"{SECRET}\n{OLD_SECRET}\n")
        notify = ["notify", "--url", self.url, "--secret-file", secrets, "--directory", self.folder / "notify"]
        sender = subprocess.Popen(
            [self.binary, *notify, "--from-oldest", "--token-file", self.token],
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(sender.wait, SECONDS)
        self.addCleanup(sender.kill)
        self.admin("reset-password", "--tenant", "acme", "--ram-user", "alice", "--generate-password")
        eventually(self, lambda: len(self.got) >= 2, lambda: "the notifications do not arrive", sender)
        for (headers, body), kind in zip(self.got, ["subject.created", "password.reset"], strict=True):
            for secret in (SECRET, OLD_SECRET):
                self.assertEqual(Webhook(secret).verify(body, headers)["type"], kind)
            with self.assertRaises(WebhookVerificationError):
                Webhook("whsec_" + "A" * 32).verify(body, headers)
            with self.assertRaises(WebhookVerificationError):
                Webhook(SECRET).verify(body + " ", headers)


if __name__ == "__main__":
    import unittest

    unittest.main()
