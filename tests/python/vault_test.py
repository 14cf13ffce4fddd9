"""`credentiald rotate` writes to a real OpenBao, whose key-value engine is that of HashiCorp Vault.

Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY and `bao` on the path.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from service import SECONDS, AcmeTest, free_address

ROOT_TOKEN = "root-token-of-the-test"
POLICY = 'path "secret/data/fleet/*" { capabilities = ["create", "read", "update"] }'


class VaultTest(AcmeTest):
    """An OpenBao in memory, and a token for what a rotation needs there."""

    def setUp(self):
        super().setUp()
        address = free_address()
        self.vault = f"http://{address}"
        log = self.enterContext((self.folder / "bao.log").open("w"))
        bao = ["bao", "server", "-dev", f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address={address}"]
        home = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        process = subprocess.Popen([*bao, "-dev-no-store-token"], env=home, stdout=log, stderr=log)
        self.addCleanup(process.wait, SECONDS)
        self.addCleanup(process.terminate)
        end = time.monotonic() + SECONDS
        while True:
            self.assertIsNone(process.poll(), "OpenBao has ended")
            try:
                self.bao("GET", "secret/config")
                break
            except OSError:
                self.assertLess(time.monotonic(), end, "OpenBao does not answer")
                time.sleep(0.1)
        self.bao("PUT", "sys/policies/acl/rotate", {"policy": POLICY})
        issued = self.bao("POST", "auth/token/create", {"policies": ["rotate"]})
        self.vault_token = self.folder / "bao.token"
        self.vault_token.touch(0o600)
        self.vault_token.write_text(issued["auth"]["client_token"] + "\n")

    def bao(self, method, path, document=None):
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.vault}/v1/{path}", body, {"X-Vault-Token": ROOT_TOKEN}, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.loads(answer.read() or b"null")

    def secret(self, name):
        return self.bao("GET", f"secret/data/fleet/acme/ram-user/{name}")["data"]["data"]

    def arguments(self, *more):
        to = ["--vault", self.vault, "--vault-token-file", self.vault_token, "--vault-path", "fleet"]
        return ["rotate", "--kind", "ram-user", "--tenant", "acme", "--state", self.folder / "state", *to, *more]

    def rotate(self, *more):
        return self.run_binary(*self.arguments(*more), CREDENTIALD_TOKEN=self.operator)

    def verified(self, name, password):
        verify = ["verify", "--ram-user", name, "--password-stdin", "--token-file", self.token]
        return self.run_binary(*verify, input=password).returncode

    def add_users(self, *names):
        for name in names:
            user = ["create-ram-user", "--tenant", "acme", "--user-name", name, "--password-stdin"]
            self.admin(*user, input=self.PASSWORD)

    def test_secrets_hold_the_passwords_in_force_and_keep_other_values(self):
        self.bao("POST", "secret/data/fleet/acme/ram-user/alice", {"data": {"owner": "mail"}})
        ran = self.rotate()
        self.assertEqual((ran.returncode, ran.stdout), (0, "rotated 1, left 0, failed 0, to go 0\n"), ran.stderr)
        secret = self.secret("alice")
        self.assertEqual((secret["owner"], secret["version"]), ("mail", 2))
        self.assertEqual(set(secret), {"owner", "password", "version", "run"})
        self.assertEqual(self.verified("alice", secret["password"]), 0)
        self.assertNotIn(secret["password"], (self.folder / "state").read_text())
        again = self.rotate("--again")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertNotEqual(self.secret("alice")["password"], secret["password"])

    def test_a_run_that_was_killed_sets_the_passwords_that_are_stored(self):
        users = [f"user-{number}" for number in range(8)]
        self.add_users(*users)
        arguments = self.arguments("--batch", "3", "--rate", "10")
        environment = self.environment | {"CREDENTIALD_TOKEN": self.operator}
        state = self.folder / "state"
        killed = 0
        for steps in (1, 4, 7):
            run = subprocess.Popen([self.binary, *arguments], env=environment, stdout=subprocess.DEVNULL)
            end = time.monotonic() + SECONDS
            while run.poll() is None and (not state.exists() or state.read_text().count("prepared") < steps):
                self.assertLess(time.monotonic(), end, "nothing is prepared")
                time.sleep(0.01)
            run.send_signal(signal.SIGKILL)
            killed += run.wait(SECONDS) == -signal.SIGKILL
        self.assertGreater(killed, 0)
        ran = self.rotate("--batch", "3", "--rate", "10")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        for name in ["alice", *users]:
            secret = self.secret(name)
            self.assertEqual((secret["version"], "pending_password" in secret), (2, False), name)
            self.assertEqual(self.verified(name, secret["password"]), 0, name)

    def test_names_that_are_no_names_in_a_path_are_refused_and_others_with_dots_are_stored(self):
        self.add_users(".", "..", "...", "..a", "a..b", ".a", "a.")
        refused = self.rotate()
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("at the destination: ram-user ., ram-user ..\n", refused.stderr)
        self.assertEqual(self.verified("alice", self.PASSWORD), 0)
        others = ["alice", "...", "..a", "a..b", ".a", "a."]
        ran = self.rotate(*(word for name in others for word in ("--name", name)))
        self.assertEqual((ran.returncode, ran.stdout), (0, "rotated 6, left 0, failed 0, to go 0\n"), ran.stderr)
        for name in others:
            secret = self.secret(name)
            self.assertEqual((secret["version"], self.verified(name, secret["password"])), (2, 0), name)

    def test_nothing_is_changed_if_a_password_cannot_be_stored(self):
        with self.assertRaises(urllib.error.HTTPError):
            self.secret("alice")
        ran = self.rotate("--vault-mount", "absent")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("403 Forbidden", ran.stderr)
        self.assertEqual(self.verified("alice", self.PASSWORD), 0)


if __name__ == "__main__":
    import unittest

    unittest.main()
