#!/usr/bin/env bash
# Alibaba's SDK for Python takes `autoretry` and `max_attempts`, and does not act on them.
#
# Versions: alibabacloud_ram20150501 1.3.0, alibabacloud-tea-openapi 0.4.6, alibabacloud-tea-util 0.3.15 (PyPI).
# Expected: three requests, if the server closes each connection without an answer: the page "Retry mechanism" of Alibaba
#           Cloud's SDKs has these two options of `RuntimeOptions` repeat requests after network errors, and their class still
#           has them.
# Seen:     one request, and an `UnretryableException`. Only `retry_options` is read, of `Config`, which names the exceptions;
#           with that there are three requests (the control).
# So:       write `retry_options` where `autoretry` is in use, and only where repeating a call is safe.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check \
    alibabacloud_ram20150501==1.3.0 alibabacloud-tea-openapi==0.4.6 alibabacloud-tea-util==0.3.15

cat >seen.py <<'END'
import socketserver
import threading

from alibabacloud_ram20150501 import client, models
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions
from darabonba.policy.retry import RetryCondition, RetryOptions

requests = []


class Closing(socketserver.BaseRequestHandler):
    """Reads a request, and closes the connection without an answer."""

    def handle(self):
        requests.append(self.request.recv(65536))


def changed(runtime, **settings):
    requests.clear()
    settings |= {"access_key_id": "ID", "access_key_secret": "SECRET", "protocol": "http"}
    ram = client.Client(Config(**settings, endpoint=f"127.0.0.1:{server.server_address[1]}"))
    try:
        ram.change_password_with_options(models.ChangePasswordRequest(old_password="one", new_password="two"), runtime)
    except Exception as error:
        return f"{type(error).__name__} after {len(requests)}"


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Closing) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    condition = RetryCondition(max_attempts=3, exception=["UnretryableException", "RetryError", "ConnectionError"])
    options = RetryOptions(retryable=True, retry_condition=[condition])
    print("autoretry:", changed(RuntimeOptions(autoretry=True, max_attempts=3)))
    print("retry_options:", changed(RuntimeOptions(), retry_options=options))
    server.shutdown()
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "autoretry: UnretryableException after 1
retry_options: UnretryableException after 3" ]]
