#!/usr/bin/env bash
# Kubernetes' client for Node takes a kubeconfig with `tokenFile`, and sends no token.
#
# Versions: @kubernetes/client-node 1.4.0 (npm) with Node.js 20, kubernetes 37.0.2 (PyPI). By hand also 2.0.1 with Node.js 24.21.
# Expected: the token of the file: `tokenFile` is a field of a user in a kubeconfig ("kubeconfig (v1)", AuthInfo, in Kubernetes'
#           reference), and the client for Python reads it.
# Seen:     a request without `Authorization`, and no error, so that the server refuses it or takes it for `system:anonymous`. The
#           client looks for `token-file`, which no kubeconfig has; with that name it sends the token. With `token` in the
#           kubeconfig both clients send it (the control).
# So:       name the file once more after loading, and the client reads it, and reads it again every minute:
#           `kc.getCurrentUser().authProvider = { name: "tokenFile", config: { tokenFile: path } }`. `loadFromCluster` does that.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @kubernetes/client-node@1.4.0
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check kubernetes==37.0.2

cat >client.mjs <<'END'
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";

const config = new KubeConfig();
config.loadFromFile("kubeconfig");
await config.makeApiClient(CoreV1Api).listNamespace();
END

# A server that notes how each request signs in, and both clients.
cat >seen.py <<'END'
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kubernetes import client, config

asked = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.headers["Authorization"])
        body = json.dumps({"kind": "NamespaceList", "apiVersion": "v1", "metadata": {}, "items": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


with open("secret", "w") as file:
    file.write("in-the-file")
server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
cluster = {"server": f"http://127.0.0.1:{server.server_port}", "insecure-skip-tls-verify": True}
for user in {"token": "in-the-kubeconfig"}, {"tokenFile": "secret"}, {"token-file": "secret"}:
    with open("kubeconfig", "w") as file:
        json.dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "a", "cluster": cluster}],
                "users": [{"name": "a", "user": user}],
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "current-context": "a",
            },
            file,
        )
    subprocess.run(["node", "--no-warnings", "client.mjs"], check=True, timeout=60)
    client.CoreV1Api(config.new_client_from_config("kubeconfig")).list_namespace()
    print(f"{next(iter(user))}: Node {asked[-2]}, Python {asked[-1]}")
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "token: Node Bearer in-the-kubeconfig, Python Bearer in-the-kubeconfig
tokenFile: Node None, Python Bearer in-the-file
token-file: Node Bearer in-the-file, Python None" ]]
