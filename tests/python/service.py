"""The program under test, as the clients in Python start it."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TEST_BINARY", ROOT / "target/debug/credentiald"))
SECONDS = 60


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def eventually(test, holds, what, process=None):
    """Waits until something holds, and no longer than a process runs, if one is given. `what` tells what is wrong if it never holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        if process is not None:
            test.assertIsNone(process.poll(), f"the process has ended: {what()}")
        test.assertLess(time.monotonic(), end, what())
        time.sleep(0.1)


def await_healthy(test, server, environment):
    """Waits until the service in that environment answers."""

    def is_healthy():
        return subprocess.run([BINARY, "healthcheck"], env=environment, capture_output=True, timeout=SECONDS).returncode == 0

    eventually(test, is_healthy, lambda: "the server does not become healthy", server)


def terminate(test, server):
    """Ends the service as a supervisor does."""
    server.terminate()
    try:
        test.assertEqual(server.wait(SECONDS), 0)
    finally:
        server.kill()


class AcmeTest(unittest.TestCase):
    """A service for each test, with a tenant `acme`, in it a RAM user `alice`, and a token of a relying system."""

    PASSWORD = "alice's first password"

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        # Programs that run as other users read in it, and run the program.
        self.folder.chmod(0o755)
        self.binary = self.folder / "credentiald"
        shutil.copy(BINARY, self.binary)
        self.address = free_address()
        self.environment = {
            "PATH": os.environ["PATH"],
            "CREDENTIALD_STORE_URL": f"sqlite:{self.folder}/store/credentiald.db",
            "CREDENTIALD_SERVER_LISTEN": self.address,
            "CREDENTIALD_ADDRESS": self.address,
        }
        self.operator = self.run_binary("bootstrap").stdout.strip()
        self.serve()
        self.addCleanup(self.stop)
        self.admin("create-tenant", "--tenant", "acme")
        user = ["create-ram-user", "--tenant", "acme", "--user-name", "alice", "--password-stdin"]
        self.admin(*user, input=self.PASSWORD)
        self.token = self.folder / "relay.token"
        self.token.touch(0o640)
        self.token.write_text(self.issue("--caller-kind", "service", "--caller-name", "relay"))

    def serve(self):
        log = self.enterContext((self.folder / "log").open("a"))
        self.server = subprocess.Popen([self.binary, "serve"], env=self.environment, stderr=log)
        await_healthy(self, self.server, self.environment)

    def stop(self):
        if self.server.poll() is None:
            terminate(self, self.server)

    def run_binary(self, *arguments, input="", **environment):
        return subprocess.run(
            [self.binary, *arguments],
            env=self.environment | environment,
            input=input,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def admin(self, *arguments, input=""):
        """What an administrator's command prints, as JSON."""
        ran = self.run_binary("admin", *arguments, "--json", input=input, CREDENTIALD_TOKEN=self.operator)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return json.loads(ran.stdout)

    def issue(self, *caller):
        return self.admin("issue-access-token", "--tenant", "acme", *caller)["token"]

    def guesses_from(self, origin):
        """Who has given wrong passwords of alice from there."""
        listed = self.admin("list-attempts", "--tenant", "acme", "--ram-user", "alice", "--origin", origin)
        return listed["attempts"]
