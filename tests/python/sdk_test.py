"""The vendors' SDKs, unmodified, against the service: over plain TCP and over TLS.

Run by `tests/all`, or by hand with the packages of `sdks.txt` and the path of the binary in TEST_BINARY.
"""

import asyncio
import json
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from alibabacloud_dm20151123.client import Client as DmClient
from alibabacloud_dm20151123.models import ModifyPWByDomainRequest
from alibabacloud_ims20190815.client import Client as ImsClient
from alibabacloud_ims20190815.models import ChangePasswordRequest as ImsChangePasswordRequest
from alibabacloud_r_kvstore20150101 import models as kvstore
from alibabacloud_r_kvstore20150101.client import Client as KvstoreClient
from alibabacloud_ram20150501 import models as ram
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_tea_openapi.exceptions import ThrottlingException
from alibabacloud_tea_openapi.models import Config
from aliyunsdkcore.acs_exception.exceptions import ServerException as OldError
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkr_kvstore.request.v20150101.ModifyAccountPasswordRequest import ModifyAccountPasswordRequest
from aliyunsdkram.request.v20150501.ChangePasswordRequest import ChangePasswordRequest as OldChangePasswordRequest
from darabonba.exceptions import DaraException
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkiam.v5 import (
    ChangePasswordReqBody,
    ChangePasswordV5Request,
    IamClient,
    ShowPasswordPolicyV5Request,
    UpdatePasswordPolicyReqBody,
    UpdatePasswordPolicyV5Request,
)
from huaweicloudsdksts.v1 import DecodeAuthorizationMessageReq, DecodeAuthorizationMessageRequest, StsClient

from service import BINARY, SECONDS, await_healthy, free_address, terminate

FIRST = "First-password1"
# Whatever is encoded in different ways: blank, signs of URLs and of JSON, quotes, and text that looks encoded already.
PASSWORDS = ["old pw+1~*!'()A", 'N w&=%/1"\\B', "%2B+%20 1aA", "{}[]<>?#;:,@$^|`1aA", "P\u0451ssword-1\U0001f511"]


class Key:
    """An access key of a caller."""

    def __init__(self, issued):
        self.id = issued["access_token"]["access_key_id"]
        self.secret = issued["access_key_secret"]


class Sdks(unittest.TestCase):
    """Every test starts a service of its own, over plain TCP. `OverTls` does the same over TLS."""

    protocol = "http"

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.grpc, self.http = (free_address() for _ in range(2))
        self.environment = {
            "CREDENTIALD_STORE_URL": f"sqlite:{self.folder / 'credentiald.db'}",
            "CREDENTIALD_PEPPER_KEYS": self.run_binary("pepper", "new-key", "--id", "test").strip(),
            "CREDENTIALD_SERVER_LISTEN": self.grpc,
            "CREDENTIALD_HTTP_LISTEN": self.http,
            # As long as it can be, for a machine that is busy.
            "CREDENTIALD_HTTP_DEADLINE_MILLISECONDS": "2999",
            **self.transport(),
        }
        self.admin_environment = {"CREDENTIALD_ADDRESS": f"{self.protocol}://{self.grpc}", **self.trust()}
        self.operator = self.run_binary("bootstrap").strip()
        self.log = open(self.folder / "log", "w+")
        self.addCleanup(self.log.close)
        self.server = subprocess.Popen([BINARY, "serve"], env=self.environment, stderr=self.log)
        self.addCleanup(self.stop)
        await_healthy(self, self.server, self.environment)
        self.token = self.operator
        self.admin("create-tenant", "--tenant", "acme")
        self.token = self.admin("issue-access-token", "--tenant", "acme", "--caller-kind", "root")["token"]
        self.root = self.key("root")

    def transport(self):
        return {}

    def trust(self):
        return {}

    def run_binary(self, *arguments, environment=None, input=""):
        environment = getattr(self, "environment", {}) if environment is None else environment
        done = subprocess.run([BINARY, *arguments], env=environment, input=input, capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def admin(self, *arguments, input=""):
        environment = {"CREDENTIALD_TOKEN": self.token, **self.admin_environment}
        printed = self.run_binary("admin", *arguments, "--json", environment=environment, input=input)
        return json.loads(printed) if printed.strip() else {}

    def key(self, kind, name=None):
        name = ["--caller-name", name] if name else []
        return Key(self.admin("issue-access-token", "--caller-kind", kind, *name, "--form", "access-key"))

    def stop(self):
        """Stops the service. Its log has no password."""
        terminate(self, self.server)
        self.log.seek(0)
        log = self.log.read()
        for password in [FIRST, *PASSWORDS]:
            self.assertNotIn(password, log)

    # The clients.

    ca = None

    def config(self, key, **more):
        return Config(
            access_key_id=key.id, access_key_secret=key.secret, protocol=self.protocol, endpoint=self.http, ca=self.ca, **more
        )

    def old(self, key):
        return AcsClient(key.id, key.secret, "cn-hangzhou", port=80, verify=self.ca)

    def old_request(self, request):
        request.set_protocol_type(self.protocol)
        request.set_endpoint(self.http)
        return request

    def huawei(self, kind, credentials):
        builder = kind.new_builder().with_credentials(credentials).with_http_config(HttpConfig(ssl_ca_cert=self.ca))
        return builder.with_endpoint(f"{self.protocol}://{self.http}").build()

    def iam(self, key):
        return self.huawei(IamClient, GlobalCredentials(key.id, key.secret, "any-domain-id"))

    def sts(self, key):
        return self.huawei(StsClient, BasicCredentials(key.id, key.secret, "any-project-id"))

    def ram_user(self, name="alice"):
        self.admin("create-ram-user", "--user-name", name, "--password-stdin", input=FIRST)
        return self.key("ram-user", name)

    def iam_user(self, name="bob"):
        self.admin("create-iam-user", "--user-id", name, "--password-stdin", input=FIRST)
        return self.key("iam-user", name)

    def account(self):
        self.admin("create-instance", "--instance-id", "r-1")
        self.admin(
            "create-instance-account", "--instance-id", "r-1", "--account-name", "app", "--password-stdin", input=FIRST
        )

    # The operations. Each password is the old one of the next change, so what arrived is what was sent.

    def change_through(self, change, passwords):
        old = FIRST
        for new in passwords:
            with self.subTest(new):
                change(old, new)
                old = new

    def old_style(self, version, domain, key, method="GET"):
        def change(old, new):
            request = self.old_request(CommonRequest(domain=self.http, version=version, action_name="ChangePassword"))
            request.set_domain(self.http)
            request.set_method(method)
            request.add_query_param("OldPassword", old)
            request.add_query_param("NewPassword", new)
            return json.loads(self.old(key).do_action_with_exception(request))

        return change

    def test_ram_changes_every_password_with_every_signature(self):
        key = self.ram_user()
        current = RamClient(self.config(key))
        version_1 = RamClient(self.config(key, signature_algorithm="v2"))
        ims = ImsClient(self.config(key))

        def change(client, request=ram.ChangePasswordRequest):
            def call(old, new):
                response = client.change_password(request(old_password=old, new_password=new))
                self.assertEqual(response.status_code, 200)
                self.assertTrue(response.body.request_id)

            return call

        def concurrently(old, new):
            request = ram.ChangePasswordRequest(old_password=old, new_password=new)
            self.assertTrue(asyncio.run(current.change_password_async(request)).body.request_id)

        def old_class(old, new):
            request = self.old_request(OldChangePasswordRequest())
            request.set_OldPassword(old)
            request.set_NewPassword(new)
            self.assertTrue(json.loads(self.old(key).do_action_with_exception(request))["RequestId"])

        changes = [
            change(current),
            change(version_1),
            change(ims, ImsChangePasswordRequest),
            concurrently,
            old_class,
            self.old_style("2017-04-30", "ims", key),
            self.old_style("2015-05-01", "ram", key, "POST"),
        ]
        old = FIRST
        for number, call in enumerate(changes):
            for password in PASSWORDS:
                # No password twice: the policy remembers some.
                new = f"{password}{number}"
                with self.subTest(call=number, new=new):
                    call(old, new)
                old = new

    def test_direct_mail_sets_the_password_of_a_domain(self):
        self.admin("create-mail-domain", "--domain-name", "example.com")
        client = DmClient(self.config(self.root))
        body = client.modify_pwby_domain(ModifyPWByDomainRequest(domain_name="example.com", password="DM1mail1234")).body
        self.assertEqual((body.code, body.message, body.success), ("OK", "OK", True))
        request = self.old_request(CommonRequest(version="2015-11-23", action_name="ModifyPWByDomain"))
        request.set_domain(self.http)
        request.add_query_param("DomainName", "example.com")
        request.add_query_param("Password", "DM2mail1234")
        self.assertTrue(json.loads(self.old(self.root).do_action_with_exception(request))["Success"])

    def test_tair_changes_and_resets_and_describes(self):
        self.account()
        client = KvstoreClient(self.config(self.root))

        def change(old, new):
            request = kvstore.ModifyAccountPasswordRequest(
                instance_id="r-1", account_name="app", old_account_password=old, new_account_password=new
            )
            self.assertTrue(client.modify_account_password(request).body.request_id)

        self.change_through(change, ["New_pass1", "New_pass2!@#$%^&*()+-=", "New_pass3"])
        request = self.old_request(ModifyAccountPasswordRequest())
        request.set_InstanceId("r-1")
        request.set_AccountName("app")
        request.set_OldAccountPassword("New_pass3")
        request.set_NewAccountPassword("New_pass4")
        self.assertTrue(json.loads(self.old(self.root).do_action_with_exception(request))["RequestId"])
        reset = kvstore.ResetAccountPasswordRequest(instance_id="r-1", account_name="app", account_password="New_pass5")
        self.assertTrue(client.reset_account_password(reset).body.request_id)
        described = client.describe_accounts(kvstore.DescribeAccountsRequest(instance_id="r-1")).body
        self.assertEqual([account.account_name for account in described.accounts.account], ["app"])

    def test_huawei_changes_every_password_and_its_policy(self):
        iam = self.iam(self.iam_user())

        def change(old, new):
            iam.change_password_v5(ChangePasswordV5Request(ChangePasswordReqBody(new_password=new, old_password=old)))

        self.change_through(change, PASSWORDS)
        root = self.iam(self.root)
        policy = root.show_password_policy_v5(ShowPasswordPolicyV5Request()).password_policy
        wanted = UpdatePasswordPolicyReqBody(
            maximum_consecutive_identical_chars=policy.maximum_consecutive_identical_chars,
            minimum_password_length=9,
            minimum_password_age=policy.minimum_password_age,
            password_char_combination=policy.password_char_combination,
            password_not_username_or_invert=policy.password_not_username_or_invert,
            password_reuse_prevention=policy.password_reuse_prevention,
            password_validity_period=policy.password_validity_period,
            allow_user_to_change_password=policy.allow_user_to_change_password,
        )
        root.update_password_policy_v5(UpdatePasswordPolicyV5Request(wanted))
        policy = root.show_password_policy_v5(ShowPasswordPolicyV5Request()).password_policy
        self.assertEqual(policy.minimum_password_length, 9)

    def test_ram_shows_and_sets_the_settings_of_the_tenant(self):
        client = RamClient(self.config(self.root))
        client.set_password_policy(ram.SetPasswordPolicyRequest(minimum_password_length=10))
        self.assertEqual(client.get_password_policy().body.password_policy.minimum_password_length, 10)
        preference = ram.SetSecurityPreferenceRequest(allow_user_to_change_password=False)
        client.set_security_preference(preference)
        shown = client.get_security_preference().body.security_preference
        self.assertFalse(shown.login_profile_preference.allow_user_to_change_password)

    # The errors.

    def refused(self, status, code, call, *arguments):
        with self.assertRaises(DaraException) as caught:
            call(*arguments)
        error = caught.exception
        self.assertEqual((error.status_code, error.code), (status, code), error.message)
        self.assertTrue(error.data["RequestId"] and error.data["HostId"], error.data)
        return error

    def refused_by_huawei(self, status, code, call, *arguments):
        with self.assertRaises(ClientRequestException) as caught:
            call(*arguments)
        error = caught.exception
        self.assertEqual((error.status_code, error.error_code), (status, code), error.error_msg)
        self.assertTrue(error.request_id)
        return error

    def test_each_error_of_alibaba_is_the_exception_that_its_sdk_knows(self):
        key = self.ram_user()
        user = RamClient(self.config(key))
        mail, tair = (kind(self.config(self.root)) for kind in (DmClient, KvstoreClient))
        self.account()

        def change(client, old, new):
            return client.change_password(ram.ChangePasswordRequest(old_password=old, new_password=new))

        self.refused(400, "InvalidParameter.OldPassword.Incorrect", change, user, "Wrong-password1", "Other-password1")
        self.refused(400, "InvalidParameter.NewPassword.TooWeak", change, user, FIRST, "a")
        self.refused(400, "MissingParameter", change, user, FIRST, None)
        self.refused(
            404, "InvalidDomain.NotFound", mail.modify_pwby_domain,
            ModifyPWByDomainRequest(domain_name="absent.example", password="DM1mail1234"),
        )  # fmt: skip
        absent = kvstore.ModifyAccountPasswordRequest(
            instance_id="r-0", account_name="app", old_account_password=FIRST, new_account_password="New_pass1"
        )
        self.refused(404, "InvalidInstanceId.NotFound", tair.modify_account_password, absent)
        denied = self.refused(
            403, "Forbidden", DmClient(self.config(key)).modify_pwby_domain,
            ModifyPWByDomainRequest(domain_name="example.com", password="DM1mail1234"),
        )  # fmt: skip
        self.assertTrue(denied.access_denied_detail["EncodedDiagnosticMessage"])
        for algorithm in ({}, {"signature_algorithm": "v2"}):
            bad = self.config(key, **algorithm)
            bad.access_key_secret = "cdk_" + "0" * 64
            self.refused(400, "SignatureDoesNotMatch", change, RamClient(bad), FIRST, "Other-password1")
            bad.access_key_id = "LTAI5tForeignKey"
            self.refused(404, "InvalidAccessKeyId.NotFound", change, RamClient(bad), FIRST, "Other-password1")
        self.refused(404, "InvalidAction.NotFound", user.list_users, ram.ListUsersRequest())
        # Every wrong password counts, over this edge as over the other.
        for _ in range(5):
            with self.assertRaises(DaraException) as caught:
                change(user, "Wrong-password1", "Other-password1")
        self.assertEqual((caught.exception.status_code, caught.exception.code), (429, "Throttling.User"))
        self.assertIsInstance(caught.exception, ThrottlingException)
        self.assertGreater(caught.exception.retry_after, 0)
        # None of this has changed anything.
        self.admin("clear-attempts", "--ram-user", "alice")
        change(user, FIRST, "Other-password1")
        RamClient(self.config(self.root)).set_password_policy(ram.SetPasswordPolicyRequest(password_reuse_prevention=3))
        self.refused(400, "InvalidParameter.NewPassword.ReusePrevention", change, user, "Other-password1", "Other-password1")

    def test_an_account_that_is_absent_or_whose_instance_is_busy_is_told_apart(self):
        self.account()
        client = KvstoreClient(self.config(self.root))

        def change(account):
            request = kvstore.ModifyAccountPasswordRequest(
                instance_id="r-1", account_name=account, old_account_password=FIRST, new_account_password="New_pass1"
            )
            return client.modify_account_password(request)

        self.refused(404, "InvalidAccountName.NotFound", change, "absent")
        self.admin("set-instance-status", "--instance-id", "r-1", "--status", "changing")
        self.refused(403, "IncorrectDBInstanceState", change, "app")
        self.admin("set-instance-status", "--instance-id", "r-1", "--status", "normal")
        change("app")

    def test_a_nonce_that_was_used_is_refused(self):
        key = self.ram_user()
        for algorithm in ({}, {"signature_algorithm": "v2"}):
            with self.subTest(algorithm), patch("alibabacloud_tea_openapi.client.Utils.get_nonce", return_value=str(algorithm)):
                user = RamClient(self.config(key, **algorithm))
                request = ram.ChangePasswordRequest(old_password="Wrong-password1", new_password="Other-password1")
                self.refused(400, "InvalidParameter.OldPassword.Incorrect", user.change_password, request)
                self.refused(400, "SignatureNonceUsed", user.change_password, request)
        with patch("aliyunsdkcore.auth.composer.rpc_signature_composer.helper.get_uuid", return_value="a nonce"):
            change = self.old_style("2015-05-01", "ram", key)
            change(FIRST, "Other-password1")
            with self.assertRaises(OldError) as caught:
                change("Other-password1", "Third-password1")
            self.assertEqual(caught.exception.get_error_code(), "SignatureNonceUsed")

    def test_each_error_of_the_old_sdk_is_its_exception(self):
        key = self.ram_user()
        bad = Key({"access_token": {"access_key_id": key.id}, "access_key_secret": "cdk_" + "0" * 64})
        for used, old, code in [
            (key, "Wrong-password1", "InvalidParameter.OldPassword.Incorrect"),
            # It compares the end of the message with what it signed, and fails if the message has no colon.
            (bad, FIRST, "SignatureDoesNotMatch"),
        ]:
            with self.subTest(code), self.assertRaises(OldError) as caught:
                self.old_style("2015-05-01", "ram", used)(old, "Other-password1")
            error = caught.exception
            self.assertEqual((error.get_http_status(), error.get_error_code()), (400, code))
            self.assertTrue(error.get_request_id())

    def test_each_error_of_huawei_is_the_exception_that_its_sdk_knows(self):
        key = self.iam_user()

        def change(client, old, new):
            body = ChangePasswordReqBody(new_password=new, old_password=old)
            return client.change_password_v5(ChangePasswordV5Request(body))

        user = self.iam(key)
        self.refused_by_huawei(400, "1103", change, user, "Wrong-password1", "Other-password1")
        self.refused_by_huawei(400, "1118", change, user, FIRST, "a")
        self.refused_by_huawei(400, "IAM.0007", change, user, FIRST, None)
        bad = Key({"access_token": {"access_key_id": key.id}, "access_key_secret": "cdk_" + "0" * 64})
        self.refused_by_huawei(401, "APIGW.0301", change, self.iam(bad), FIRST, "Other-password1")
        denied = self.refused_by_huawei(403, "PAP5.0001", user.show_password_policy_v5, ShowPasswordPolicyV5Request())
        request = DecodeAuthorizationMessageRequest(body=DecodeAuthorizationMessageReq(denied.encoded_auth_msg))
        decoded = json.loads(self.sts(self.root).decode_authorization_message(request).decoded_message)
        self.assertEqual(decoded["context"]["action"], "admin:ShowPasswordPolicyV5")
        self.assertEqual(decoded["context"]["request_id"], denied.request_id)
        change(user, FIRST, "Other-password1")
        self.refused_by_huawei(400, "1108", change, user, "Other-password1", "Other-password1")
        for _ in range(6):
            with self.assertRaises(ClientRequestException) as caught:
                change(user, "Wrong-password1", "Third-password1")
        self.assertEqual((caught.exception.status_code, caught.exception.error_code), (429, "APIGW.0308"))


class OverTls(Sdks):
    """The same over TLS, with a CA that OpenSSL makes."""

    protocol = "https"

    def transport(self):
        key, certificate, request = (self.folder / name for name in ("server.key", "server.pem", "server.csr"))
        self.ca = str(self.folder / "ca.pem")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        signing = ["-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-extfile", self.folder / "names"]
        for command in (
            ["req", "-x509", *new_key, self.folder / "ca.key", "-out", self.ca, "-subj", "/CN=a CA"],
            ["req", *new_key, key, "-out", request, "-subj", "/CN=credentiald"],
            ["x509", "-req", "-in", request, *signing, "-out", certificate],
        ):
            subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=SECONDS)
        return {"CREDENTIALD_TLS_CERTIFICATE_FILE": str(certificate), "CREDENTIALD_TLS_KEY_FILE": str(key)}

    def trust(self):
        return {"CREDENTIALD_CA_FILE": self.ca}


class QuickstartTest(unittest.TestCase):
    """The calls that `quickstart --edge` prints, as a shell runs them."""

    def printed(self, *arguments):
        """Starts it, yields its output up to the last line, and stops it."""
        command = [BINARY, "quickstart", "--edge", "--data-dir", self.folder, *arguments]
        command += ["--server-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--http-deadline-milliseconds", "2999"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={}) as server:
            try:
                for line in server.stdout:
                    yield line
                    if line.startswith("Ctrl-C"):
                        return
                self.fail("the server has ended")
            finally:
                server.terminate()

    def test_each_printed_call_succeeds(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        # A second start finds the ring of the first.
        for arguments in ([], ["--tls"]):
            count, call = 0, ""
            for line in self.printed(*arguments):
                if line.startswith("python3 "):
                    line = line.replace("python3", shlex.quote(sys.executable), 1)
                elif not call:
                    continue
                call += line
                if line == "END\n":
                    done = subprocess.run(call, shell=True, capture_output=True, text=True, timeout=SECONDS)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    count, call = count + 1, ""
            self.assertEqual(count, 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
