"""Passwords that are typed at a real terminal. Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY."""

import os
import pty
import select
import termios
import time
import unittest

from service import SECONDS, AcmeTest

PROMPT = b"(not shown): "


class TerminalTest(AcmeTest):
    """What somebody types is not shown, and the terminal is afterwards as before."""

    def typed(self, token, arguments, lines):
        """Types a line at each prompt. Returns the exit status, and what the terminal showed."""
        terminal, side = pty.openpty()
        before = termios.tcgetattr(side)
        process = os.fork()
        if process == 0:
            os.login_tty(side)
            os.execve(self.binary, [self.binary, *arguments], self.environment | {"CREDENTIALD_TOKEN": token})
        shown, lines, prompts, ended = b"", list(lines), 0, None
        end = time.monotonic() + SECONDS
        while ended is None or select.select([terminal], [], [], 0)[0]:
            self.assertLess(time.monotonic(), end, shown)
            if select.select([terminal], [], [], 0.05)[0]:
                shown += os.read(terminal, 4096)
            if shown.count(PROMPT) > prompts:
                prompts += 1
                os.write(terminal, lines.pop(0).encode())
            if ended is None:
                pid, status = os.waitpid(process, os.WNOHANG)
                ended = os.waitstatus_to_exitcode(status) if pid else None
        self.assertEqual(termios.tcgetattr(side), before)
        os.close(side)
        os.close(terminal)
        return ended, shown.decode()

    def test_a_password_is_verified_without_being_shown(self):
        relay = self.token.read_text()
        for flags in ([], ["--password-stdin"]):
            for typed, status in [(self.PASSWORD + "\r", 0), ("somebody's password\r", 3), ("half of it\x03", 1)]:
                ended, shown = self.typed(relay, ["verify", "--ram-user", "alice", *flags], [typed])
                self.assertEqual(ended, status, shown)
                self.assertNotIn("password\r", shown.replace("the password is", ""))
                self.assertNotIn("half of it", shown)

    def test_a_new_password_is_typed_twice(self):
        alice = self.issue("--caller-kind", "ram-user", "--caller-name", "alice")
        new = "alice's second password\r"
        ended, shown = self.typed(alice, ["change"], [self.PASSWORD + "\r", new, "alice's sceond password\r"])
        self.assertEqual(ended, 1, shown)
        self.assertIn("the new passwords differ", shown)
        ended, shown = self.typed(alice, ["change"], [self.PASSWORD + "\r", new, new])
        self.assertEqual(ended, 0, shown)
        self.assertNotIn("second", shown)

    def test_an_administrator_s_password_is_typed_too(self):
        reset = ["admin", "reset-password", "--tenant", "acme", "--ram-user", "alice", "--password-stdin"]
        ended, shown = self.typed(self.operator, reset, ["an administrator's\r", "an administrator's\r"])
        self.assertEqual(ended, 0, shown)
        self.assertNotIn("an administrator's", shown)


if __name__ == "__main__":
    unittest.main()
