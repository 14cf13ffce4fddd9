"""Measures a delivery to 100 real Redis servers: its time, and the connections and the memory of the service.

Not in the gate. Run by hand, with the path of the binary in TEST_BINARY: `python3 tests/python/hundred_nodes.py`.
"""

import json
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from service import BINARY, SECONDS, await_healthy, free_address

NODES = 100
ACCOUNTS = 32
FIRST_PORT = 17000
ADMINISTRATOR = "sets-Users-12"
FIRST, SECOND = "first-Redis-12", "second-Redis-12"


class HundredNodes(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.environment = {
            "PATH": os.environ["PATH"],
            "CREDENTIALD_STORE_URL": f"sqlite:{self.folder}/store/credentiald.db",
            "CREDENTIALD_PEPPER_KEYS_FILE": f"{self.folder}/pepper.keys",
            "CREDENTIALD_SERVER_LISTEN": free_address(),
        }
        self.environment["CREDENTIALD_ADDRESS"] = self.environment["CREDENTIALD_SERVER_LISTEN"]
        os.umask(0o077)
        (self.folder / "pepper.keys").write_text(self.run_binary("pepper", "new-key"))
        self.token = self.run_binary("bootstrap").strip()
        self.server = self.started(BINARY, "serve", env=self.environment, stderr=subprocess.DEVNULL)
        await_healthy(self, self.server, self.environment)

    def started(self, *command, **options):
        process = subprocess.Popen(command, **options)
        self.addCleanup(process.wait, SECONDS)
        self.addCleanup(process.kill)
        return process

    def run_binary(self, *arguments, input=""):
        environment = self.environment | {"CREDENTIALD_TOKEN": getattr(self, "token", "")}
        ran = subprocess.run([BINARY, *arguments], input=input, capture_output=True, text=True, env=environment, timeout=SECONDS)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return ran.stdout

    def change(self, account, old, new):
        command = ["change", "--instance-id", "r-1", "--account-name", f"app_{account}", "--password-stdin"]
        self.run_binary(*command, input=f"{old}\n{new}\n")

    def connections(self):
        """How many connections the service has to nodes now."""
        descriptors = Path(f"/proc/{self.server.pid}/fd")
        own = set()
        for descriptor in descriptors.iterdir():
            try:
                own.add(os.readlink(descriptor))
            except OSError:
                pass
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ports = [int(line[2].split(":")[1], 16) for line in lines if f"socket:[{line[9]}]" in own]
        return sum(FIRST_PORT <= port < FIRST_PORT + NODES for port in ports)

    def memory(self):
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    def is_done(self, account):
        described = self.run_binary("admin", "describe-delivery", "--instance-id", "r-1", "--account-name", f"app_{account}", "--json")
        return json.loads(described)["delivery"]["phase"] == "done"

    def deliver(self, accounts):
        """Changes passwords. Returns the seconds until all are delivered, and the most connections that were seen."""
        start, most = time.monotonic(), 0
        for account in accounts:
            self.change(account, FIRST, SECOND)
        while accounts:
            most = max(most, self.connections())
            accounts = [account for account in accounts if not self.is_done(account)]
            self.assertLess(time.monotonic() - start, SECONDS)
        return round(time.monotonic() - start, 1), most

    def test_a_delivery_is_bounded(self):
        users = f"user default off\nuser admin on >{ADMINISTRATOR} +acl\n"
        users += "".join(f"user app_{account} on >{FIRST} ~* +get\n" for account in range(ACCOUNTS))
        nodes = []
        for port in range(FIRST_PORT, FIRST_PORT + NODES):
            folder = self.folder / str(port)
            folder.mkdir()
            (folder / "users.acl").write_text(users)
            flags = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--aclfile", "users.acl", "--save", ""]
            self.started("redis-server", *flags, "--logfile", "redis.log")
            nodes += ["--node", f"127.0.0.1:{port}"]
        self.run_binary("admin", "create-tenant", "--tenant", "acme")
        issue = ["admin", "issue-access-token", "--tenant", "acme", "--caller-kind", "root", "--json"]
        root = json.loads(self.run_binary(*issue))["token"]
        of_instance = ["--tenant", "acme", "--instance-id", "r-1"]
        self.run_binary("admin", "create-instance", *of_instance)
        for account in range(ACCOUNTS):
            create = ["admin", "create-instance-account", *of_instance, "--account-name", f"app_{account}", "--password-stdin"]
            self.run_binary(*create, input=FIRST)
        endpoint = ["--user-name", "admin", "--allow-plaintext", "true", "--acl-save", "true", "--password-stdin"]
        self.run_binary("admin", "set-instance-endpoint", *of_instance, *endpoint, *nodes, input=ADMINISTRATOR)
        self.token = root
        print("memory before, KiB:", self.memory())
        for accounts in [[0], list(range(1, ACCOUNTS))]:
            seconds, most = self.deliver(accounts)
            print(f"{len(accounts)} accounts on {NODES} nodes: {seconds} s, {most} connections; memory, KiB: {self.memory()}")
            self.assertLessEqual(most, 32)


if __name__ == "__main__":
    unittest.main()
