"""Two replicas on PostgreSQL are replaced one after the other by the next version, while clients call and watch.

The next version is this program again. Its role sees the schema that it knows, whatever a migration has made of it.

Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY.
"""

import json
import os
import re
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request
import uuid
from pathlib import Path

import grpc
from grpc_status import rpc_status

from client_test import Error, QuickstartTest, shown
from service import BINARY, ROOT, SECONDS, await_healthy, free_address, terminate

ROLES, GRANTS = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/postgresql.md").read_text(), re.DOTALL)
DATABASE = "credentiald"
CALLERS = 4
# How often each caller has to come round before the next step.
ROUNDS = 3
# Hashes as cheap as the settings permit, so that there are many calls to interrupt.
SETTINGS = ["--hashing-memory-kib", "7168", "--hashing-iterations", "5", "--hashing-ceiling-kib", "7168"]

# What the next version sees of the number of the schema.
NEXT_VERSION = """
CREATE ROLE credentiald_next LOGIN IN ROLE credentiald_runs;
CREATE SCHEMA next;
CREATE VIEW next.schema_migration AS SELECT least(version, {known}) AS version FROM public.schema_migration;
GRANT USAGE ON SCHEMA next TO credentiald_next;
GRANT SELECT ON next.schema_migration TO credentiald_next;
ALTER ROLE credentiald_next SET search_path = next, public;
"""
# Before the first replica is replaced: only what the version before does not notice.
EXPAND = """
INSERT INTO schema_migration (version) VALUES ({known} + 1);
ALTER TABLE subject ADD COLUMN shown_name TEXT;
ALTER TABLE credential ADD COLUMN renewals BIGINT NOT NULL DEFAULT 0;
CREATE TABLE note (subject_id TEXT COLLATE "C" PRIMARY KEY, note TEXT);
CREATE INDEX credential_renewals ON credential (renewals);
UPDATE subject SET shown_name = name;
"""
# After the last one is replaced.
CONTRACT = """
INSERT INTO schema_migration (version) VALUES ({known} + 2);
ALTER TABLE subject ALTER COLUMN shown_name SET NOT NULL;
ALTER TABLE credential DROP COLUMN renewals;
DROP TABLE note;
"""


class Postgres:
    """A server with the roles of docs/postgresql.md, for which everybody on this machine is trusted."""

    def __init__(self, test):
        self.programs = max(Path("/usr/lib/postgresql").glob("*/bin/initdb")).parent
        self.folder = Path(test.enterContext(tempfile.TemporaryDirectory()))
        # It does not run as root.
        self.user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        if self.user:
            subprocess.run(["chown", "nobody:nogroup", self.folder], check=True)
        self.port = free_address().rsplit(":", 1)[1]
        self.run("initdb", "-D", "data", "-U", "superuser", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8")
        with (self.folder / "data/postgresql.conf").open("a") as settings:
            settings.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n")
        test.addCleanup(self.run, "pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")
        self.run("pg_ctl", "-D", "data", "-l", "log", "-w", "start")

    def run(self, program, *arguments):
        command = [self.programs / program, *arguments]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS, **self.user)

    def url(self, role):
        return f"postgres://{role}:any@127.0.0.1:{self.port}/{DATABASE}"

    def execute(self, statements, role="superuser", database=DATABASE, whole=True):
        """Runs statements, in one transaction unless they are not to be. Answers what they print."""
        command = ["psql", "-XqtA", "-v", "ON_ERROR_STOP=1", *(["-1"] if whole else [])]
        address = ["-h", "127.0.0.1", "-p", self.port, "-U", role, "-d", database]
        run = subprocess.run([*command, *address], input=statements, capture_output=True, text=True, timeout=SECONDS)
        if run.returncode != 0:
            raise RuntimeError(run.stderr)
        return run.stdout.strip()

    def migrate(self, statements):
        """One step of a migration, by the owner: one transaction, tried again after a deadlock as `migrate` does."""
        for remaining in reversed(range(5)):
            try:
                return self.execute(statements, role="credentiald_migrates")
            except RuntimeError as error:
                if "deadlock" not in str(error) or not remaining:
                    raise


class Load:
    """What all callers share: whether they are at it, what failed, and how long a call took."""

    def __init__(self):
        self.is_over = False
        self.calls = 0
        self.longest = 0.0
        self.failures = []
        self.lock = threading.Lock()

    def call(self, method, request, metadata):
        """Calls with a deadline. A failure is kept, and nothing is answered."""
        began = time.monotonic()
        try:
            return method(request, metadata=metadata, timeout=SECONDS)
        except grpc.RpcError as error:
            self.failures.append(f"{error.code()}: {error.details()}")
            return None
        finally:
            with self.lock:
                self.calls += 1
                self.longest = max(self.longest, time.monotonic() - began)


class Caller(threading.Thread):
    """Changes the password of a domain of its own, verifies it, and reads its version, again and again."""

    def __init__(self, test, load, domain, channel):
        super().__init__(daemon=True)
        self.test, self.load, self.domain = test, load, domain
        self.modify = test.stubs.CredentialServiceStub(channel).ModifyPWByDomain
        self.verify = test.verification_stubs.VerificationServiceStub(channel).VerifyPassword
        self.describe = test.admin_stubs.AdminServiceStub(channel).DescribeMailDomain
        self.rounds, self.version = 0, 1

    def run(self):
        while not self.load.is_over:
            password = f"DM{self.version:06}mail"
            request = self.test.messages.ModifyPWByDomainRequest(
                domain_name=self.domain, password=password, client_token=str(uuid.uuid4())
            )
            changed = self.load.call(self.modify, request, self.test.root)
            if changed is None:
                continue
            if changed.version != self.version + 1:
                self.load.failures.append(f"{self.domain}: version {changed.version} after {self.version}")
            self.version = changed.version
            subject = self.test.names.SubjectName(mail_domain=self.domain)
            request = self.test.verification.VerifyPasswordRequest(subject=subject, password=password)
            verified = self.load.call(self.verify, request, self.test.relay)
            if verified and verified.result != self.test.verification.MATCHED_CURRENT:
                self.load.failures.append(f"{self.domain}: the password of version {self.version} does not match")
            request = self.test.admin.DescribeMailDomainRequest(domain_name=self.domain)
            described = self.load.call(self.describe, request, self.test.root)
            if described and described.mail_domain.credential.version != self.version:
                self.load.failures.append(f"{self.domain}: version {self.version} is not read")
            self.rounds += 1


class Watcher(threading.Thread):
    """Watches through one replica, and through the other when that one stops."""

    def __init__(self, test, load, addresses):
        super().__init__(daemon=True)
        self.test, self.load, self.addresses = test, load, addresses
        self.opened, self.told = 0, 0
        self.seen, self.versions = set(), {}

    def run(self):
        request, metadata = self.test.verification.WatchChangesRequest(from_oldest=True), self.test.relay
        while not self.load.is_over:
            with grpc.insecure_channel(self.addresses[self.told % len(self.addresses)]) as channel:
                watch = self.test.verification_stubs.VerificationServiceStub(channel).WatchChanges
                self.watching = watch(request, metadata=metadata, wait_for_ready=True, timeout=10 * SECONDS)
                try:
                    for number, response in enumerate(self.watching):
                        self.opened += number == 0
                        self.take(response)
                        request = self.test.verification.WatchChangesRequest(cursor=response.cursor)
                except grpc.RpcError as error:
                    if self.load.is_over:
                        return
                    # The service says so itself: an error of the library alone has no details.
                    said = rpc_status.from_call(error) and Error(error).info.metadata.get("interruption")
                    if (error.code(), said) != (grpc.StatusCode.UNAVAILABLE, "stopping"):
                        self.load.failures.append(f"a watch ended: {error.code()}: {error.details()}")
                        return
                    self.told += 1

    def take(self, response):
        """An event may arrive twice, with the same id."""
        if not response.HasField("event") or response.event.id in self.seen:
            return
        self.seen.add(response.event.id)
        version = getattr(response.event, response.event.WhichOneof("kind")).version
        self.versions.setdefault(response.event.subject.mail_domain, []).append(version)


class UpgradeTest(QuickstartTest):
    """Only the stubs are the other test's."""

    def setUp(self):
        self.postgres = Postgres(self)
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.postgres.execute(ROLES.replace("…", "any"), database="postgres", whole=False)
        for role in ("migrates", "runs", "next"):
            path = self.folder / role
            path.write_text(self.postgres.url(f"credentiald_{role}"))
            path.chmod(0o600)
        self.execute("migrate", "migrates")
        self.postgres.execute(GRANTS, role="credentiald_migrates")
        self.known = int(self.postgres.execute("SELECT max(version) FROM schema_migration"))
        self.postgres.execute(NEXT_VERSION.format(known=self.known))
        self.addresses = [free_address(), free_address()]
        self.servers = {}
        operator = [("authorization", f"Bearer {self.execute('bootstrap', 'runs').stdout.strip()}")]
        for address in self.addresses:
            self.begin(address, "runs")
        with grpc.insecure_channel(self.addresses[0]) as channel:
            admin = self.admin_stubs.AdminServiceStub(channel)
            admin.CreateTenant(self.admin.CreateTenantRequest(tenant="acme"), metadata=operator, timeout=SECONDS)
            for name, kind, caller in (("root", "ROOT", ""), ("relay", "SERVICE", "relay")):
                request = self.admin.IssueAccessTokenRequest(
                    tenant="acme", caller_kind=f"CALLER_KIND_{kind}", caller_name=caller
                )
                token = admin.IssueAccessToken(request, metadata=operator, timeout=SECONDS).token
                setattr(self, name, [("authorization", f"Bearer {token}")])
            for number in range(CALLERS):
                request = self.admin.CreateMailDomainRequest(domain_name=f"d{number}.example", password="DMfirst1234")
                admin.CreateMailDomain(request, metadata=self.root, timeout=SECONDS)

    def execute(self, command, role):
        """Runs a command of the program to its end, on the store as that role."""
        command = [BINARY, *command.split(), "--store-url-file", self.folder / role]
        run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run

    def begin(self, address, role):
        """Starts a replica, and waits until it is healthy."""
        metrics = free_address()
        command = [BINARY, "serve", "--server-listen", address, "--metrics-listen", metrics, *SETTINGS]
        with (self.folder / f"{address}-{role}.log").open("w") as log:
            command += ["--store-url-file", self.folder / role]
            server = subprocess.Popen(command, cwd=self.folder, stderr=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        await_healthy(self, server, os.environ | {"CREDENTIALD_SERVER_LISTEN": address})
        self.servers[address] = (server, metrics)

    def served(self, address):
        """How many calls the replica there has answered."""
        with urllib.request.urlopen(f"http://{self.servers[address][1]}/metrics", timeout=SECONDS) as answer:
            text = answer.read().decode()
        counts = re.findall(r'^credentiald_requests_total\{[^}]*rpc="ModifyPWByDomain"[^}]*\} (\d+)', text, re.MULTILINE)
        return sum(map(int, counts))

    def until(self, what, holds):
        """Waits until something holds, and no longer than until a call has failed."""
        end = time.monotonic() + SECONDS
        while not holds():
            self.assertEqual(self.load.failures, [])
            self.assertLess(time.monotonic(), end, f"{what} was waited for in vain")
            time.sleep(0.02)

    def come_round(self):
        """Waits until every caller has come round some more."""
        before = [caller.rounds for caller in self.callers]
        self.until("calls", lambda: all(caller.rounds >= past + ROUNDS for caller, past in zip(self.callers, before)))

    def test_a_rolling_upgrade_fails_no_call_and_loses_no_event(self):
        self.load = Load()
        # As published, through both replicas in turn. Without a name, the list would be sent as one, which HTTP does not allow.
        config = json.dumps(json.loads(shown("json")) | {"loadBalancingConfig": [{"round_robin": {}}]})
        options = [("grpc.service_config", config), ("grpc.default_authority", "passwords.example.com")]
        channel = self.enterContext(grpc.insecure_channel(f"ipv4:{','.join(self.addresses)}", options))
        self.callers = [Caller(self, self.load, f"d{number}.example", channel) for number in range(CALLERS)]
        watchers = [Watcher(self, self.load, addresses) for addresses in (self.addresses, self.addresses[::-1])]
        for thread in (*self.callers, *watchers):
            thread.start()
        self.until("watches", lambda: all(watcher.opened == 1 for watcher in watchers))
        self.come_round()

        began = time.monotonic()
        self.postgres.migrate(EXPAND.format(known=self.known))
        self.come_round()
        granted = self.postgres.execute("SELECT has_table_privilege('credentiald_runs', 'note', 'INSERT')")
        self.assertEqual(granted, "t", "the role may not use a new table")
        command = [BINARY, "serve", "--server-listen", free_address(), "--store-url-file", self.folder / "runs"]
        refused = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("use a newer program", refused.stderr)
        stopped = 0.0
        for address in self.addresses:
            opened = [watcher.opened for watcher in watchers]
            is_here = [watcher.addresses[watcher.told % 2] == address for watcher in watchers]
            leaves = time.monotonic()
            terminate(self, self.servers[address][0])
            stopped = max(stopped, time.monotonic() - leaves)
            self.begin(address, "next")
            self.until(
                "watches elsewhere",
                lambda: [watcher.opened for watcher in watchers] == [old + here for old, here in zip(opened, is_here)],
            )
        took = time.monotonic() - began
        self.come_round()
        self.postgres.migrate(CONTRACT.format(known=self.known))
        self.come_round()
        self.until("calls at both replicas", lambda: all(self.served(address) > 0 for address in self.addresses))

        self.load.is_over = True
        for caller in self.callers:
            caller.join(SECONDS)
            self.assertFalse(caller.is_alive())
        expected = {caller.domain: list(range(1, caller.version + 1)) for caller in self.callers}
        self.until("all events", lambda: all(watcher.versions == expected for watcher in watchers))
        for watcher in watchers:
            watcher.watching.cancel()
            watcher.join(SECONDS)
        self.assertEqual(self.load.failures, [])
        self.assertEqual([watcher.told for watcher in watchers], [2, 1])
        self.assertEqual(self.execute("store check", "next").stdout, "the store is undamaged\n")
        for log in self.folder.glob("*.log"):
            self.assertNotRegex(log.read_text(), " ERROR |panicked")
        print(
            f"# a rolling upgrade of two replicas: {took:.1f} s; a replica stopped within {stopped:.1f} s; "
            f"{self.load.calls} calls, the longest {self.load.longest:.1f} s, {len(self.load.failures)} failed"
        )


if __name__ == "__main__":
    unittest.main(verbosity=2)
