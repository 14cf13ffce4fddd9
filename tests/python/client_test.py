"""A client in another language: generated from the protos, against a server that `quickstart` started.

Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY.
"""

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid
from pathlib import Path

import grpc
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

from pasted import pasted
from service import BINARY, ROOT, SECONDS, await_healthy, free_address, terminate

CREDENTIAL_SERVICE = "credential.v1.CredentialService"
SERVICES = [CREDENTIAL_SERVICE, "credential.v1.VerificationService", "credential.admin.v1.AdminService"]
CLIENTS = (ROOT / "docs/clients.md").read_text()


def shown(language):
    """The first block of that language in the document for those who write clients."""
    return CLIENTS.split(f"```{language}\n", 1)[1].split("```", 1)[0]


class Line:
    """One of the calls that `quickstart` prints, taken apart."""

    def __init__(self, text):
        words = shlex.split(text)
        headers = [words[at + 1] for at, word in enumerate(words) if word == "-H"]
        self.metadata = [tuple(part.strip() for part in header.split(":", 1)) for header in headers]
        self.fields = json.loads(words[words.index("-d") + 1])
        self.rpc = words[-1].rsplit("/", 1)[1]


class Error:
    """A failed call, with its details taken apart."""

    def __init__(self, call):
        self.code = call.code()
        self.metadata = dict(call.trailing_metadata())
        self.details = {}
        for detail in rpc_status.from_call(call).details:
            message = getattr(error_details_pb2, detail.TypeName().rsplit(".", 1)[1])()
            detail.Unpack(message)
            self.details[type(message).__name__] = message
        self.info = self.details["ErrorInfo"]
        self.violations = list(self.details["BadRequest"].field_violations) if "BadRequest" in self.details else []


class QuickstartTest(unittest.TestCase):
    """Every test starts a server of its own, so that none depends on another's changes."""

    # More variables of the health check.
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.scratch = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        files = [str(path) for path in sorted((ROOT / "proto").rglob("*.proto"))]
        arguments = ["protoc", f"-I{ROOT / 'proto'}", f"--python_out={cls.scratch}", f"--grpc_python_out={cls.scratch}"]
        if protoc.main([*arguments, f"-I{Path(protoc.__file__).parent / '_proto'}", *files]) != 0:
            raise RuntimeError("the protos do not compile")
        sys.path.insert(0, str(cls.scratch))
        cls.messages = importlib.import_module("credential.v1.credential_service_pb2")
        cls.stubs = importlib.import_module("credential.v1.credential_service_pb2_grpc")
        cls.names = importlib.import_module("credential.v1.subject_name_pb2")
        cls.verification = importlib.import_module("credential.v1.verification_service_pb2")
        cls.verification_stubs = importlib.import_module("credential.v1.verification_service_pb2_grpc")
        cls.admin = importlib.import_module("credential.admin.v1.admin_service_pb2")
        cls.admin_stubs = importlib.import_module("credential.admin.v1.admin_service_pb2_grpc")

    def setUp(self):
        self.address = free_address()
        self.data = self.enterContext(tempfile.TemporaryDirectory())
        self.addCleanup(self.stop)
        printed = self.enterContext(tempfile.TemporaryFile("w+"))
        self.start("quickstart", "--data-dir", self.data, stdout=printed)
        printed.seek(0)
        # The last two are one that is refused, and a verification.
        self.lines = {line.rpc: line for line in map(Line, list(pasted(printed.read()))[:4])}
        self.channel = self.enterContext(grpc.insecure_channel(self.address))
        self.credentials = self.stubs.CredentialServiceStub(self.channel)

    def start(self, *command, stdout=subprocess.DEVNULL):
        command = [BINARY, *command, "--server-listen", self.address]
        self.server = subprocess.Popen(command, stdout=stdout, stderr=subprocess.STDOUT)
        environment = os.environ | {"CREDENTIALD_SERVER_LISTEN": self.address} | self.environment
        await_healthy(self, self.server, environment)

    def stop(self):
        terminate(self, self.server)

    def health(self, service):
        request = health_pb2.HealthCheckRequest(service=service)
        return health_pb2_grpc.HealthStub(self.channel).Check(request, timeout=SECONDS).status

    def call(self, rpc, *, token_of=None, **changed):
        """Calls as the printed line does, save for the fields that are named."""
        line = self.lines[rpc]
        request = getattr(self.messages, f"{rpc}Request")(**(line.fields | changed))
        metadata = self.lines[token_of or rpc].metadata
        return getattr(self.credentials, rpc).with_call(request, metadata=metadata, timeout=SECONDS)

    def fail_to(self, rpc, **changed):
        with self.assertRaises(grpc.RpcError) as caught:
            self.call(rpc, **changed)
        error = Error(caught.exception)
        request_id = error.metadata["x-request-id"]
        self.assertEqual(request_id, str(uuid.UUID(request_id)).upper())
        self.assertEqual(error.details["RequestInfo"].request_id, request_id)
        self.assertEqual(error.info.domain, "credential.v1")
        return error


class ClientTest(QuickstartTest):
    """Each RPC, and what its errors hold."""

    def test_each_of_the_four_changes_a_password(self):
        self.assertEqual(len(self.lines), 4)
        for rpc in self.lines:
            with self.subTest(rpc):
                response, call = self.call(rpc)
                self.assertGreaterEqual(response.version, 2)
                request_id = dict(call.initial_metadata())["x-request-id"]
                self.assertEqual(getattr(response, "request_id", request_id), request_id)

    def test_a_wrong_old_password_changes_nothing(self):
        error = self.fail_to("ChangePassword", old_password="Not-the-0ld-one")
        self.assertEqual(error.code, grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(error.info.reason, "OLD_PASSWORD_INCORRECT")
        self.assertEqual(error.info.metadata["http_status"], "400")
        self.assertEqual(error.info.metadata["vendor_code"], "InvalidParameter.OldPassword.Incorrect")
        self.call("ChangePassword")

    def test_a_weak_password_gets_every_rule_that_it_breaks(self):
        error = self.fail_to("ModifyPWByDomain", password="aaaa")
        self.assertEqual(error.code, grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(error.info.reason, "PASSWORD_POLICY_VIOLATION")
        self.assertEqual({violation.field for violation in error.violations}, {"password"})
        # Too short, no digits, no upper case, one letter repeated.
        self.assertGreaterEqual(len({violation.reason for violation in error.violations}), 4)
        self.assertNotIn("aaaa", str(error.details))

    def test_every_bad_field_is_reported_in_one_answer(self):
        error = self.fail_to("ModifyAccountPassword", instance_id="", account_name="", new_account_password="")
        self.assertEqual(error.code, grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(error.info.reason, "INVALID_FIELD")
        fields = {violation.field for violation in error.violations}
        self.assertEqual(fields, {"instance_id", "account_name", "new_account_password"})

    def test_a_missing_subject_is_named_to_a_caller_who_may_know(self):
        error = self.fail_to("ModifyPWByDomain", domain_name="absent.example")
        self.assertEqual(error.code, grpc.StatusCode.NOT_FOUND)
        self.assertEqual(error.info.reason, "DOMAIN_NOT_FOUND")

    def test_a_caller_who_may_not_is_refused_whether_or_not_the_subject_exists(self):
        for changed in ({}, {"domain_name": "absent.example"}):
            with self.subTest(**changed):
                error = self.fail_to("ModifyPWByDomain", token_of="ChangePassword", **changed)
                self.assertEqual(error.code, grpc.StatusCode.PERMISSION_DENIED)
                self.assertEqual(error.info.reason, "ACCESS_DENIED")

    def test_a_stale_expected_version_is_a_conflict(self):
        error = self.fail_to("ModifyPWByDomain", expected_version=4711)
        self.assertEqual(error.code, grpc.StatusCode.ABORTED)
        self.assertEqual(error.info.reason, "VERSION_CONFLICT")

    def test_a_request_in_flight_is_finished_when_the_server_stops(self):
        line = self.lines["ModifyPWByDomain"]
        stopping = threading.Event()

        def request():
            stopping.wait(SECONDS)
            yield self.messages.ModifyPWByDomainRequest(**line.fields)

        watched = health_pb2.HealthCheckRequest(service=CREDENTIAL_SERVICE)
        watch = health_pb2_grpc.HealthStub(self.channel).Watch(watched, timeout=SECONDS)
        self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.SERVING)
        call = self.channel.stream_unary(
            f"/{CREDENTIAL_SERVICE}/ModifyPWByDomain",
            request_serializer=self.messages.ModifyPWByDomainRequest.SerializeToString,
            response_deserializer=self.messages.ModifyPWByDomainResponse.FromString,
        ).future(request(), metadata=line.metadata, timeout=SECONDS)
        # One connection keeps the order: what is answered after the call began has not overtaken it.
        self.health(CREDENTIAL_SERVICE)
        self.server.terminate()
        self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.NOT_SERVING)
        stopping.set()
        self.assertTrue(call.result().success)

    def test_a_client_certificate_is_a_caller_over_tls(self):
        """Over TLS with the demonstration's own certificate, and a client certificate that OpenSSL makes."""
        self.stop()
        folder = Path(self.data)
        files = {name: folder / name for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}
        self.environment = {"CREDENTIALD_TLS_CERTIFICATE_FILE": "any", "CREDENTIALD_TLS_KEY_FILE": "any"}
        self.start("quickstart", "--data-dir", self.data, "--tls")
        self.stop()
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
        clients = ["-CA", folder / "clients.pem", "-CAkey", folder / "clients.key", "-CAcreateserial"]
        (folder / "names").write_text("subjectAltName=URI:spiffe://example.org/root\nextendedKeyUsage=clientAuth\n")
        (folder / "callers").write_text("spiffe://example.org/root root demo\n")
        for command in (
            ["req", "-x509", *new_key, folder / "clients.key", "-out", folder / "clients.pem", "-subj", "/CN=clients"],
            ["req", *new_key, files["client.key"], "-out", folder / "client.csr", "-subj", "/CN=client"],
            ["x509", "-req", "-in", folder / "client.csr", *clients, "-out", files["client.pem"], "-extfile", folder / "names"],
        ):
            subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=SECONDS)
        self.start(
            "serve", "--store-url", f"sqlite:{folder / 'credentiald.db'}", "--tls-certificate-file", files["server.pem"],
            "--tls-key-file", files["server.key"], "--tls-client-ca-file", folder / "clients.pem",
            "--tls-client-certificates", "optional", "--tls-client-callers-file", folder / "callers",
        )
        read = {name: path.read_bytes() for name, path in files.items()}
        with_certificate = grpc.ssl_channel_credentials(read["ca.pem"], read["client.key"], read["client.pem"])
        with_none = grpc.ssl_channel_credentials(read["ca.pem"])
        tokens = {}
        with grpc.secure_channel(self.address, with_certificate) as channel:
            for kind in ("ROOT", "SERVICE"):
                name = {"caller_name": "other"} if kind == "SERVICE" else {}
                request = self.admin.IssueAccessTokenRequest(caller_kind=f"CALLER_KIND_{kind}", **name)
                issued = self.admin_stubs.AdminServiceStub(channel).IssueAccessToken(request, timeout=SECONDS)
                tokens[kind] = [("authorization", f"Bearer {issued.token}")]
        good, bad = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED
        for credentials, metadata, expected in (
            (with_certificate, None, good),
            (with_certificate, tokens["ROOT"], good),
            (with_certificate, tokens["SERVICE"], bad),
            (with_none, None, bad),
            (with_none, tokens["ROOT"], good),
        ):
            with self.subTest(expected=expected), grpc.secure_channel(self.address, credentials) as channel:
                call = self.admin_stubs.AdminServiceStub(channel).ListRamUsers.future(
                    self.admin.ListRamUsersRequest(), metadata=metadata, timeout=SECONDS
                )
                self.assertEqual(call.code(), expected, call.details())

    def test_health_is_reported_for_each_service(self):
        for service in ("", *SERVICES):
            with self.subTest(service):
                self.assertEqual(self.health(service), health_pb2.HealthCheckResponse.SERVING)

    def test_both_versions_of_reflection_answer(self):
        # The two versions have the same messages.
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=CREDENTIAL_SERVICE),
        ]
        for version in ("v1", "v1alpha"):
            with self.subTest(version):
                reflect = self.channel.stream_stream(
                    f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                    request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                    response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
                )
                listed, described = reflect(iter(requests), timeout=SECONDS)
                names = {service.name for service in listed.list_services_response.service}
                self.assertLessEqual(set(SERVICES), names)
                files = described.file_descriptor_response.file_descriptor_proto
                parsed = [descriptor_pb2.FileDescriptorProto.FromString(file) for file in files]
                services = {service.name: service for file in parsed for service in file.service}
                self.assertEqual(len(services["CredentialService"].method), 4)


class RetryTest(QuickstartTest):
    """Under the service config of the document, nobody sees `UNAVAILABLE` for something that passes."""

    def setUp(self):
        super().setUp()
        def taken(number):
            began = time.monotonic()
            self.call("ModifyPWByDomain", password=f"DM{number}mail1234")
            return time.monotonic() - began

        # The fastest: something else may have had the machine during the others.
        taken = min(map(taken, range(3)))
        # One worker has four hashes done in the time that the service takes work on for: a second.
        self.settings = ["--hashing-workers", "1", "--hashing-longest-wait-seconds", "1"]
        self.settings += ["--hashing-iterations", str(min(max(round(0.25 / taken), 1), 1000))]
        self.stop()
        self.serve()
        document = {}
        exec(shown("python"), document)
        self.channel = self.enterContext(document["connect"](self.address, shown("json")))
        self.credentials = self.stubs.CredentialServiceStub(self.channel)
        self.root = self.lines["ModifyPWByDomain"].metadata

    def serve(self):
        self.start("serve", "--store-url", f"sqlite:{self.data}/credentiald.db", *self.settings)

    def create_domains(self, count):
        names = [f"d{number}.example" for number in range(count)]
        create = self.admin_stubs.AdminServiceStub(self.channel).CreateMailDomain
        for name in names:
            create(self.admin.CreateMailDomainRequest(domain_name=name), metadata=self.root, timeout=SECONDS)
        return names

    def set_all(self, credentials, names):
        """Sets the passwords of all these domains at once, and answers how each call ended."""
        calls = []
        for name in names:
            request = self.messages.ModifyPWByDomainRequest(
                domain_name=name, password="DM1mail1234", client_token=str(uuid.uuid4())
            )
            calls.append(credentials.ModifyPWByDomain.future(request, metadata=self.root, timeout=SECONDS))
        return [call.code() for call in calls]

    def test_eight_calls_at_once_on_one_worker_all_succeed(self):
        names = self.create_domains(40)
        self.assertEqual(set(self.set_all(self.credentials, names[:8])), {grpc.StatusCode.OK})
        # Without the service config, of many some do not.
        with grpc.insecure_channel(self.address) as channel:
            codes = set(self.set_all(self.stubs.CredentialServiceStub(channel), names[8:]))
        self.assertEqual(codes, {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE})

    def test_no_call_sees_a_restart(self):
        (name,) = self.create_domains(1)
        check = self.verification_stubs.VerificationServiceStub(self.channel).CheckPassword
        subject = self.names.SubjectName(mail_domain=name)
        request = self.verification.CheckPasswordRequest(subject=subject, password="DM1mail1234")
        describe = self.admin_stubs.AdminServiceStub(self.channel).DescribeMailDomain
        described = self.admin.DescribeMailDomainRequest(domain_name=name)
        count, failures, is_over = [0], [], threading.Event()

        def calls():
            while not is_over.is_set():
                try:
                    check(request, metadata=self.root, timeout=SECONDS)
                    describe(described, metadata=self.root, timeout=SECONDS)
                    count[0] += 1
                except grpc.RpcError as error:
                    failures.append(error)
                    return

        callers = [threading.Thread(target=calls) for _ in range(4)]
        for caller in callers:
            caller.start()
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(SECONDS)
        self.serve()
        before = count[0]
        while count[0] <= before and not failures:
            time.sleep(0.05)
        is_over.set()
        for caller in callers:
            caller.join()
        self.assertEqual(failures, [])

    def test_a_call_after_a_crash_waits_for_the_service(self):
        # A call under way is another matter: libraries never retry one whose response has begun (gRFC A6).
        (name,) = self.create_domains(1)
        check = self.verification_stubs.VerificationServiceStub(self.channel).CheckPassword
        subject = self.names.SubjectName(mail_domain=name)
        request = self.verification.CheckPasswordRequest(subject=subject, password="DM1mail1234")
        check(request, metadata=self.root, timeout=SECONDS)
        self.server.send_signal(signal.SIGKILL)
        self.server.wait(SECONDS)
        calls = [check.future(request, metadata=self.root, timeout=SECONDS) for _ in range(4)]
        self.serve()
        self.assertEqual({call.code() for call in calls}, {grpc.StatusCode.OK})


if __name__ == "__main__":
    unittest.main(verbosity=2)
