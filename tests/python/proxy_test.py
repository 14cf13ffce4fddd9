"""The same client behind the real proxies, each configured as docs/proxies.md shows.

Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY and the proxies on the PATH.
"""

import contextlib
import os
import re
import subprocess
import tempfile
import textwrap
import unittest
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from client_test import Error, QuickstartTest
from service import ROOT, SECONDS, free_address

DOCUMENT = (ROOT / "docs/proxies.md").read_text()
NAME = "passwords.example.com"
FILES = "/etc/credentiald/"
# The longest silence on a stream that the document's configurations allow: an hour.
SILENCE = re.compile(r"\b(1h|3600)")
APACHE_MODULES = ["mpm_event", "authz_core", "socache_shmcb", "ssl", "http2", "proxy", "proxy_http2"]
LOADED = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in APACHE_MODULES)


def block(text, language):
    """The first block of a language."""
    return text.split(f"```{language}\n", 1)[1].split("```", 1)[0]


class Proxy(NamedTuple):
    """How to start a proxy, and what its configuration has besides the document's block."""

    language: str
    command: list
    around: str = "{shown}"

    def shown(self):
        """The document's block."""
        return block(DOCUMENT, self.language)

    def forwarding(self):
        """The document's block with the changes for client certificates."""
        shown = self.shown()
        changes = block(DOCUMENT.split("## Clients by certificate", 1)[1], self.language)
        _, *changes = re.split(r"^# (beside|in place of) (\w+)\n", changes, flags=re.MULTILINE)
        for how, key, lines in zip(changes[::3], changes[1::3], changes[2::3]):
            line, indent = re.search(rf"^( *){key}\b.*\n", shown, re.MULTILINE).group(0, 1)
            kept = line if how == "beside" else ""
            shown = shown.replace(line, textwrap.indent(lines, indent) + kept, 1)
        return shown


PROXIES = {
    "nginx": Proxy(
        "nginx",
        ["nginx", "-e", "stderr", "-c", "{file}"],
        "daemon off; pid {file}.pid; events {{}} http {{ access_log off; {shown} }}",
    ),
    "HAProxy": Proxy("haproxy", ["haproxy", "-f", "{file}"]),
    "Envoy": Proxy("yaml", ["envoy", "--use-dynamic-base-id", "--log-level", "warn", "-c", "{file}"]),
    "Caddy": Proxy(
        "caddy",
        ["caddy", "run", "--adapter", "caddyfile", "--config", "{file}"],
        # Redirects need port 80.
        "{{\nadmin off\nauto_https disable_redirects\n}}\n{shown}",
    ),
    "Apache": Proxy(
        "apache",
        ["apache2", "-D", "FOREGROUND", "-f", "{file}"],
        LOADED + "Listen {front}\nDefaultRuntimeDir {folder}\nPidFile {file}.pid\nErrorLog /dev/stderr\n"
        "User www-data\n{shown}",
    ),
}


class Refusing(grpc.GenericRpcHandler):
    """A service that refuses every call, with these details."""

    def __init__(self, details):
        self.details = details

    def service(self, _):
        def refuse(_, context):
            context.set_trailing_metadata([("grpc-status-details-bin", self.details)])
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "refused")

        return grpc.unary_unary_rpc_method_handler(refuse)


class ProxyTest(QuickstartTest):
    """A client behind a proxy gets what a client without one gets."""

    def setUp(self):
        super().setUp()
        self.root = self.lines["ModifyPWByDomain"].metadata
        self.fronts = {}
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.make_certificate("proxy.pem", "proxy.pem.key", f"DNS:{NAME}")

    def make_certificate(self, certificate, key, name, *more):
        """A certificate that signs itself, unless there is more to say."""
        command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        command += ["-subj", f"/CN={certificate}", "-addext", f"subjectAltName={name}", "-out", certificate, "-keyout", key]
        subprocess.run([*command, *more], check=True, capture_output=True, cwd=self.folder)

    def start(self, *command, **options):
        super().start(*command, "--watch-heartbeat-seconds", "1", **options)

    def behind(self, edit=lambda shown: shown, names=tuple(PROXIES)):
        """A channel through each of these proxies, whose configuration is the document's after the edit."""
        started = [self.started(name, edit(PROXIES[name].shown())) for name in names]
        for each in started:
            self.await_ready(*each)
        return [(name, channel) for name, (channel, *_) in zip(names, started)]

    def await_ready(self, channel, process, log):
        ready = grpc.channel_ready_future(channel)
        for _ in range(SECONDS):
            # One that refuses its configuration ends at once.
            if process.poll() is not None:
                break
            with contextlib.suppress(grpc.FutureTimeoutError):
                return ready.result(1)
        log.seek(0)
        self.fail(f"{process.args} does not serve:\n{log.read()}")

    def started(self, name, shown):
        front, back = (address.rsplit(":", 1)[1] for address in (free_address(), self.address))
        for pattern, here in [(FILES, f"{self.folder}/"), (r"\b50051\b", back), (r"\b443\b", front)]:
            shown, count = re.subn(pattern, here, shown)
            self.assertGreater(count, 0, f"{name}: {pattern}")
        # Envoy knows the format by the file's name.
        file = self.folder / f"{front}.{PROXIES[name].language}"
        file.write_text(PROXIES[name].around.format(folder=self.folder, front=front, file=file, shown=shown))
        command = [word.format(file=file) for word in PROXIES[name].command]
        environment = os.environ | {"HOME": str(self.folder)}
        log = self.enterContext(tempfile.TemporaryFile("w+"))
        process = subprocess.Popen(command, stderr=log, env=environment)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.fronts[name] = front
        return self.channel_to(front), process, log

    def channel_to(self, front, *identity):
        """A channel to a proxy, with a key and a certificate of the client if there are any."""
        trusted = grpc.ssl_channel_credentials((self.folder / "proxy.pem").read_bytes(), *identity)
        options = [("grpc.ssl_target_name_override", NAME), ("grpc.default_authority", NAME)]
        options += [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 100)]
        return self.enterContext(grpc.secure_channel(f"127.0.0.1:{front}", trusted, options=options))

    def import_through(self, channel, requests, token=None):
        importing = self.admin_stubs.AdminServiceStub(channel).ImportCredentials
        return importing(iter(requests), metadata=token or self.root, timeout=SECONDS)

    def test_changes_and_errors_are_as_without_it(self):
        for number, (name, channel) in enumerate(self.behind()):
            with self.subTest(name):
                self.credentials = self.stubs.CredentialServiceStub(channel)
                response, call = self.call("ModifyPWByDomain", password=f"DM1mail1234{number}")
                self.assertEqual(dict(call.initial_metadata())["x-request-id"], response.request_id)
                error = self.fail_to("ModifyPWByDomain", domain_name="absent.example")
                self.assertEqual(error.info.reason, "DOMAIN_NOT_FOUND")
                error = self.fail_to("ModifyPWByDomain", password="aaaa")
                self.assertGreaterEqual(len(error.violations), 4)
                error = self.fail_to("ModifyPWByDomain", expected_version=4711)
                self.assertEqual(error.metadata["grpc-retry-pushback-ms"], "-1")

    def test_the_largest_details_pass(self):
        details = bytes(6 * 1024)
        server = grpc.server(ThreadPoolExecutor())
        server.add_generic_rpc_handlers([Refusing(details)])
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        self.addCleanup(server.stop, 0)
        for name, channel in self.behind():
            with self.subTest(name), self.assertRaises(grpc.RpcError) as caught:
                channel.unary_unary("/a.Service/Call")(b"", timeout=SECONDS)
            self.assertEqual(dict(caught.exception.trailing_metadata())["grpc-status-details-bin"], details)
        ((_, channel),) = self.behind(lambda shown: shown.replace("grpc_buffer_size", "# "), ["nginx"])
        with self.assertRaisesRegex(grpc.RpcError, "502"):
            channel.unary_unary("/a.Service/Call")(b"", timeout=SECONDS)

    def test_an_error_before_the_end_of_a_stream_is_reported(self):
        begin = self.admin.ImportCredentialsRequest(options=self.admin.ImportOptions(dry_run=True))
        rows = self.admin.ImportCredentialsRequest(rows=[self.admin.ImportRow(user_name="x" * 20_000)])
        for name, channel in self.behind():
            for token in (self.root, [("authorization", "Bearer none")]):
                # Fewer and more bytes than are read and dropped, some of them while the answer is under way.
                for count in (0, 1, 10, 100, 1000):
                    with self.subTest(name, count=count), self.assertRaises(grpc.RpcError) as caught:
                        # The second beginning is an error.
                        self.import_through(channel, [begin, begin] + [rows] * count, token)
                    expected = "INVALID_FIELD" if token is self.root else "UNAUTHENTICATED"
                    self.assertEqual(Error(caught.exception).info.reason, expected)

    def test_an_import_has_no_limit_on_its_size(self):
        begin = self.admin.ImportCredentialsRequest(options=self.admin.ImportOptions(dry_run=True))
        rows = self.admin.ImportCredentialsRequest(rows=[self.admin.ImportRow(user_name="x" * 20_000)] * 3)
        for name, channel in self.behind():
            with self.subTest(name):
                self.assertEqual(self.import_through(channel, [begin] + [rows] * 50).refused, 150)
        ((_, channel),) = self.behind(lambda shown: shown.replace("client_max_body_size", "# "), ["nginx"])
        with self.assertRaisesRegex(grpc.RpcError, "413"):
            self.import_through(channel, [begin] + [rows] * 50)

    def watch_through(self, channel):
        watch = self.verification_stubs.VerificationServiceStub(channel).WatchChanges
        return watch(self.verification.WatchChangesRequest(), metadata=self.root, timeout=SECONDS)

    def assert_cut(self, stream):
        with self.assertRaises(grpc.RpcError) as caught:
            list(stream)
        self.assertNotEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_heartbeats_keep_a_watch_open_and_silent_streams_are_cut(self):
        has_limit = {name for name, proxy in PROXIES.items() if SILENCE.search(proxy.shown())}
        self.assertEqual(has_limit, set(PROXIES) - {"Caddy"})
        streams = {}
        # Several times as long as between two heartbeats here.
        shortened = {"1h": "6s", "3600": "6"}
        for name, channel in self.behind(lambda shown: SILENCE.sub(lambda hour: shortened[hour[0]], shown)):
            # A watch of health sends nothing while nothing changes.
            silent = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS)
            streams[name] = self.watch_through(channel), silent
        for name, (watch, silent) in streams.items():
            with self.subTest(name):
                # The first response, and heartbeats for eight seconds.
                for _ in range(9):
                    next(watch)
                if name in has_limit:
                    self.assert_cut(silent)
        # A limit on the whole stream, which the document lifts, cuts a watch in spite of its heartbeats.
        ((_, channel),) = self.behind(lambda shown: shown.replace("timeout: 0s", "timeout: 2s"), ["Envoy"])
        self.assert_cut(self.watch_through(channel))

    def test_a_client_certificate_names_the_caller_through_a_trusted_proxy(self):
        self.stop()
        self.make_certificate("clients.pem", "clients.key", "DNS:clients")
        of_client = ["-CA", "clients.pem", "-CAkey", "clients.key", "-addext", "basicConstraints=critical,CA:FALSE"]
        for name in ("nginx", "envoy", "root", "other"):
            uri = f"URI:spiffe://example.org/{name}"
            self.make_certificate(f"{name}.pem", f"{name}.key", uri, *of_client, "-addext", "extendedKeyUsage=clientAuth")
        (self.folder / "ca.pem").write_bytes((self.folder / "proxy.pem").read_bytes())
        rules = block(DOCUMENT.split("## Clients by certificate", 1)[1], "text")
        (self.folder / "callers").write_text(rules + "spiffe://example.org/root root demo\n")
        self.environment = {"CREDENTIALD_TLS_CERTIFICATE_FILE": "any", "CREDENTIALD_TLS_KEY_FILE": "any"}
        self.start(
            "serve", "--store-url", f"sqlite:{self.data}/credentiald.db",
            "--tls-certificate-file", self.folder / "proxy.pem", "--tls-key-file", self.folder / "proxy.pem.key",
            "--tls-client-ca-file", self.folder / "clients.pem", "--tls-client-callers-file", self.folder / "callers",
            "--tls-client-certificates", "optional",
        )
        read = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        forged = urllib.parse.quote(read["root.pem"].decode(), safe="")
        forged = [("ssl-client-cert", forged), ("x-forwarded-client-cert", f'Hash=00;Cert="{forged}"')]
        for name in ("nginx", "Envoy"):
            with self.subTest(name):
                self.await_ready(*self.started(name, PROXIES[name].forwarding()))
                front = self.fronts[name]
                clients = {key: self.channel_to(front, read[f"{key}.key"], read[f"{key}.pem"]) for key in ("root", "other")}
                clients["none"] = self.channel_to(front)
                outcomes = {}
                for client, channel in clients.items():
                    list_users = self.admin_stubs.AdminServiceStub(channel).ListRamUsers
                    for headers in ([], forged, forged + self.root):
                        try:
                            list_users(self.admin.ListRamUsersRequest(), metadata=headers, timeout=SECONDS)
                            outcome = "OK"
                        except grpc.RpcError as error:
                            outcome = Error(error).info.reason
                        outcomes.setdefault(client, []).append(outcome)
                refused = ["UNAUTHENTICATED", "UNAUTHENTICATED", "OK"]
                self.assertEqual(outcomes, {"root": ["OK", "OK", "OK"], "other": refused, "none": refused})


if __name__ == "__main__":
    unittest.main(verbosity=2)
