"""The program under test, as the clients in Python start it."""

import os
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TEST_BINARY", ROOT / "target/debug/credentiald"))
SECONDS = 60


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def await_healthy(test, server, environment):
    """Waits until the service in that environment answers."""
    end = time.monotonic() + SECONDS
    while subprocess.run([BINARY, "healthcheck"], env=environment, capture_output=True, timeout=SECONDS).returncode != 0:
        test.assertIsNone(server.poll(), "the server has ended")
        test.assertLess(time.monotonic(), end, "the server does not become healthy")
        time.sleep(0.1)


def terminate(test, server):
    """Ends the service as a supervisor does."""
    server.terminate()
    try:
        test.assertEqual(server.wait(SECONDS), 0)
    finally:
        server.kill()
