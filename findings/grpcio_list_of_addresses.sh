#!/usr/bin/env bash
# grpcio takes a list of addresses as a target, and sends the whole list as the name of the server.
#
# Versions: grpcio 1.85.3, h2 4.3.0 (PyPI).
# Expected: with the target ipv4:127.0.0.1:1,127.0.0.1:2 each call has an :authority that names one server, as with one address
#           (the control): RFC 9113 §8.3.1 takes a host and a port.
# Seen:     :authority is "127.0.0.1:1,127.0.0.1:2", which is no host and port. A server that reads it, as those in Rust do,
#           resets the stream, and each call fails with INTERNAL, whichever server of the list gets it.
# So:       set the channel's option grpc.default_authority, or use a DNS name with several addresses.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check grpcio==1.85.3 h2==4.3.0

printed=$(python/bin/python - <<'END'
import socket
import threading

import grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

names = []


def serve(listener):
    """Answers each call with an empty message, and keeps the name that it was called by."""
    while True:
        client, _ = listener.accept()
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        client.sendall(connection.data_to_send())
        while received := client.recv(65536):
            for event in connection.receive_data(received):
                if isinstance(event, RequestReceived):
                    names.append(dict(event.headers)[":authority"])
                    head = [(":status", "200"), ("content-type", "application/grpc")]
                    connection.send_headers(event.stream_id, head)
                    connection.send_data(event.stream_id, bytes(5))
                    connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
            client.sendall(connection.data_to_send())


addresses = []
for _ in range(2):
    listener = socket.create_server(("127.0.0.1", 0))
    addresses.append(f"127.0.0.1:{listener.getsockname()[1]}")
    threading.Thread(target=serve, args=(listener,), daemon=True).start()

one, several = f"ipv4:{addresses[0]}", f"ipv4:{','.join(addresses)}"
for case, target, options in [
    ("one address", one, []),
    ("a list", several, []),
    ("a list, with a name", several, [("grpc.default_authority", "example.com")]),
]:
    with grpc.insecure_channel(target, options) as channel:
        channel.unary_unary("/a.B/C")(b"", timeout=10)
    name = names.pop().replace(addresses[0], "FIRST").replace(addresses[1], "SECOND")
    print(f"{case}: {name}")
END
)
echo "$printed"
[[ $printed == "one address: FIRST
a list: FIRST,SECOND
a list, with a name: example.com" ]]
