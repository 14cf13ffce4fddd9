"""Commands at a real terminal: typed passwords, and `top`. Run by `tests/all`, or by hand with the path of the binary in TEST_BINARY."""

import fcntl
import itertools
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata
import unittest

from service import SECONDS, AcmeTest, free_address

PROMPT = b"(not shown): "


class TerminalTest(AcmeTest):
    """What a person types is not shown, and the terminal is afterwards as before."""

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
            for typed, status in [(self.PASSWORD + "\r", 0), ("another's password\r", 3), ("half of it\x03", 1)]:
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


COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# A terminal that has them.
COLOURED = {"TERM": "xterm-256color"}


def shown(test, arguments, columns=80, status=0, **environment):
    """What the operator's command shows on a terminal of so many columns."""
    terminal, side = pty.openpty()
    test.addCleanup(os.close, terminal)
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    environment = test.environment | {"CREDENTIALD_TOKEN": test.operator} | environment
    command = subprocess.Popen([test.binary, *arguments], env=environment, stdin=side, stdout=side, stderr=side)
    os.close(side)
    seen, end = b"", time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            # No other end is left.
            break
        seen += part
    test.assertEqual(command.wait(SECONDS), status, seen)
    return seen.decode()


class ColourTest(AcmeTest):
    """Colours are for terminals that have them, and for people who want them."""

    def assert_plain(self, **environment):
        for status, words, command in [
            (0, "TENANT", ["admin", "list-tenants"]),
            (1, "TENANT_NOT_FOUND", ["admin", "list-iam-users", "--tenant", "absent"]),
            (2, "--colour", ["admin", "list-tenants", "--colour"]),
        ]:
            coloured = shown(self, command, status=status, **COLOURED)
            self.assertIn(words, COLOURS.sub("", coloured))
            self.assertIn("\x1b[", coloured)
            plain = shown(self, command, status=status, **COLOURED | environment)
            self.assertIn(words, plain)
            self.assertNotIn("\x1b", plain)

    def test_a_person_can_do_without(self):
        self.assert_plain(NO_COLOR="1")

    def test_a_terminal_may_have_none(self):
        self.assert_plain(TERM="dumb")


class WidthTest(AcmeTest):
    """What is printed fits the terminal."""

    def lines(self, columns, *arguments):
        """What a command prints on a terminal of so many columns."""
        return COLOURS.sub("", shown(self, arguments, columns, **COLOURED)).splitlines()

    def assert_fits(self, lines, columns):
        for line in lines:
            wide = sum(unicodedata.east_asian_width(character) in "WF" for character in line)
            self.assertLessEqual(len(line) + wide, columns, line)

    def test_a_list_fits_and_names_may_have_wide_characters(self):
        user = ["--tenant", "acme", "--user-id", "42", "--user-name", "\u738b\u5c0f\u660e" * 4, "--generate-password"]
        self.admin("create-iam-user", *user)
        for columns in (60, 80, 100, 200):
            lines = self.lines(columns, "admin", "list-iam-users", "--tenant", "acme")
            self.assertTrue(any(line.startswith("42") for line in lines), lines)
            self.assert_fits(lines, columns)

    def test_help_fits(self):
        for command in (["--help"], ["login", "--help"], ["verify", "--help"], ["admin", "create-ram-user", "--help"]):
            lines = self.lines(80, *command)
            # Examples are as they are typed.
            examples = next((at for at, line in enumerate(lines) if line.startswith("Example")), len(lines))
            self.assertGreater(examples, 10)
            self.assert_fits(lines[:examples], 80)


class TopTest(AcmeTest):
    """`top` on a terminal of 100 columns and 30 lines, beside a service with metrics."""

    def setUp(self):
        super().setUp()
        self.stop()
        self.environment["CREDENTIALD_METRICS_LISTEN"] = free_address()
        self.serve()

    def begin(self):
        """Starts it. Returns its process, both sides of its terminal, and how the terminal was before."""
        terminal, side = pty.openpty()
        self.addCleanup(os.close, terminal)
        self.addCleanup(os.close, side)
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        before = termios.tcgetattr(side)
        process = os.fork()
        if process == 0:
            os.login_tty(os.dup(side))
            own = {"CREDENTIALD_TOKEN": self.operator, "TERM": "xterm-256color"}
            os.execve(self.binary, [self.binary, "top", "--interval", "1"], self.environment | own)
        return process, terminal, side, before

    def shown_until(self, terminal, words, shown="", meanwhile=lambda: None):
        """Reads what it draws until all of the words have been drawn."""
        end = time.monotonic() + SECONDS
        while not all(word in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", shown) for word in words):
            self.assertLess(time.monotonic(), end, shown)
            meanwhile()
            if select.select([terminal], [], [], 0.05)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
        return shown

    def end_by(self, key, process, terminal, shown):
        """Presses a key. Returns the exit status, and all that was drawn."""
        os.write(terminal, key)
        end = time.monotonic() + SECONDS
        while True:
            if select.select([terminal], [], [], 0.05)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
            pid, status = os.waitpid(process, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status), shown
            self.assertLess(time.monotonic(), end, shown)

    def test_it_shows_calls_and_audit_events_and_leaves_the_terminal_as_it_was(self):
        process, terminal, side, before = self.begin()
        calls = itertools.count(1)
        shown = self.shown_until(terminal, ["hash workers", "audit events", "q ends"])

        def call():
            # From another origin each time: no call has to wait.
            verify = ["verify", "--ram-user", "alice", "--origin", str(next(calls)), "--password-stdin"]
            self.run_binary(*verify, input="wrong", CREDENTIALD_TOKEN_FILE=str(self.token))

        shown = self.shown_until(terminal, ["VerifyPassword", "wrong-password"], shown, call)
        ended, shown = self.end_by(b"q", process, terminal, shown)
        self.assertEqual(ended, 0, shown)
        # It drew on the other screen of the terminal, and has left it.
        self.assertGreater(shown.rfind("\x1b[?1049l"), shown.rfind("\x1b[?1049h"), shown)
        self.assertEqual(termios.tcgetattr(side), before)

    def test_a_service_that_goes_away_and_comes_back_is_seen(self):
        process, terminal, *_ = self.begin()
        # Only what differs from the screen before is drawn, so these are words that are drawn whole.
        version = self.run_binary("--version").stdout.split()[1]
        shown = self.shown_until(terminal, [version])
        self.stop()
        shown = self.shown_until(terminal, ["can't get the"], shown)
        self.serve()
        shown += self.shown_until(terminal, ["store up"])
        ended, shown = self.end_by(b"\x03", process, terminal, shown)
        self.assertEqual(ended, 0, shown)


if __name__ == "__main__":
    unittest.main()
