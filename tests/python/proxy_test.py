"""The same client behind HAProxy, which forwards a reset in place of the answer that came before it.

Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY and `haproxy` on the PATH.
"""

import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

import grpc

from client_test import SECONDS, Error, QuickstartTest

CONFIGURATION = """
defaults
    mode http
    timeout connect 10s
    timeout client 5m
    timeout server 5m
frontend clients
    bind {front} proto h2
    default_backend service
backend service
    server one {back} proto h2
"""


class HaproxyTest(QuickstartTest):
    """What a caller is told does not depend on the proxy."""

    def setUp(self):
        super().setUp()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            front = f"127.0.0.1:{listener.getsockname()[1]}"
        file = Path(self.enterContext(tempfile.TemporaryDirectory())) / "haproxy.cfg"
        file.write_text(CONFIGURATION.format(front=front, back=self.address))
        proxy = subprocess.Popen(["haproxy", "-f", file], stderr=subprocess.DEVNULL)
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.kill)
        self.channel = self.enterContext(grpc.insecure_channel(front))
        grpc.channel_ready_future(self.channel).result(SECONDS)
        self.credentials = self.stubs.CredentialServiceStub(self.channel)
        self.root = self.lines["ModifyPWByDomain"].metadata

    def test_an_error_before_the_end_of_a_stream_is_reported(self):
        begin = self.admin.ImportCredentialsRequest(options=self.admin.ImportOptions(dry_run=True))
        rows = self.admin.ImportCredentialsRequest(rows=[self.admin.ImportRow(user_name="x" * 20_000)])
        importing = self.admin_stubs.AdminServiceStub(self.channel).ImportCredentials
        for token in (self.root, [("authorization", "Bearer none")]):
            # Fewer and more bytes than are read and dropped, some of them while the answer is under way.
            for count in (0, 1, 10, 100, 1000):
                with self.subTest(count=count), self.assertRaises(grpc.RpcError) as caught:
                    # The second beginning is an error.
                    importing(iter([begin, begin] + [rows] * count), metadata=token, timeout=SECONDS)
                expected = "INVALID_FIELD" if token is self.root else "UNAUTHENTICATED"
                self.assertEqual(Error(caught.exception).info.reason, expected)

    def test_an_error_has_its_request_id(self):
        error = self.fail_to("ModifyPWByDomain", domain_name="absent.example")
        self.assertEqual(error.info.reason, "DOMAIN_NOT_FOUND")

    def test_a_success_has_its_request_id(self):
        response, call = self.call("ModifyPWByDomain")
        self.assertEqual(dict(call.initial_metadata())["x-request-id"], response.request_id)


if __name__ == "__main__":
    unittest.main(verbosity=2)
