#!/usr/bin/env bash
# Huawei Cloud's SDK for Node signs another path than it sends, if the endpoint ends with a slash.
#
# Versions: @huaweicloud/huaweicloud-sdk-iam 3.1.172 with -core 3.1.211, which needs uuid 9.0.1 without saying so (npm), with
#           Node.js 20; huaweicloudsdkiam 3.1.219 (PyPI).
# Expected: the signature is one of the path that is sent, `/v5/caller-password`, as "Signing an API request" of Huawei Cloud's
#           documents has it. The twin for Python takes the slash and signs that.
# Seen:     with the slash the same path is sent and `//v5/caller-password` signed, so that the server refuses the signature.
#           Without the slash the signature is right (the control).
# So:       give the endpoint without a slash. A refused signature need not mean a wrong secret.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund \
    @huaweicloud/huaweicloud-sdk-iam@3.1.172 @huaweicloud/huaweicloud-sdk-core@3.1.211 uuid@9.0.1
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check huaweicloudsdkiam==3.1.219

cat >call.js <<'END'
const { GlobalCredentials } = require("@huaweicloud/huaweicloud-sdk-core");
const { IamClient } = require("@huaweicloud/huaweicloud-sdk-iam/v5/IamClient");
const { ChangePasswordV5Request } = require("@huaweicloud/huaweicloud-sdk-iam/v5/model/ChangePasswordV5Request");
const { ChangePasswordReqBody } = require("@huaweicloud/huaweicloud-sdk-iam/v5/model/ChangePasswordReqBody");

const credentials = new GlobalCredentials().withAk("ID").withSk("SECRET").withDomainId("domain");
const iam = IamClient.newBuilder().withCredential(credentials).withEndpoint(process.argv[2]).build();
const body = new ChangePasswordReqBody().withOldPassword("one").withNewPassword("two");
iam.changePasswordV5(new ChangePasswordV5Request().withBody(body)).then(() => process.exit(0));
END

cat >call.py <<'END'
import sys

from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkiam.v5 import ChangePasswordReqBody, ChangePasswordV5Request, IamClient

credentials = GlobalCredentials("ID", "SECRET", "domain")
iam = IamClient.new_builder().with_credentials(credentials).with_endpoint(sys.argv[1]).build()
iam.change_password_v5(ChangePasswordV5Request(ChangePasswordReqBody(new_password="two", old_password="one")))
END

cat >seen.py <<'END'
import hashlib
import hmac
import http.server
import re
import subprocess
import threading

seen = []


def signature(path, headers, body):
    """The signature of a request for this path by the secret, as the documents of Huawei Cloud have it."""
    names = re.search("SignedHeaders=([^,]+)", headers["authorization"])[1]
    lines = [f"{name}:{headers[name].strip()}\n" for name in names.split(";")]
    canonical = "\n".join(["POST", path + "/", "", "".join(lines), names, hashlib.sha256(body).hexdigest()])
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["SDK-HMAC-SHA256", headers["x-sdk-date"], hashed])
    return hmac.new(b"SECRET", text.encode(), hashlib.sha256).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each request with `{}`, and notes its path and the path that was signed."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        given = self.headers["authorization"].rsplit("=", 1)[1]
        paths = [self.raw, "/" + self.raw]
        signed = [path for path in paths if signature(path, self.headers, body) == given]
        seen.append(f"sent {self.raw}, signed {' '.join(signed)}")
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    @property
    def raw(self):
        return self.requestline.split(" ")[1]

    def log_message(self, *_):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    for call, end in [("python/bin/python call.py", "/"), ("node call.js", ""), ("node call.js", "/")]:
        subprocess.run([*call.split(), endpoint + end], check=True, stdout=subprocess.DEVNULL)
        print(f"{call.split()[1]} {end}: {seen[-1]}")
    server.shutdown()
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "call.py /: sent /v5/caller-password, signed /v5/caller-password
call.js : sent /v5/caller-password, signed /v5/caller-password
call.js /: sent /v5/caller-password, signed //v5/caller-password" ]]
