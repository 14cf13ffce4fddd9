"""The calls that `quickstart` prints, each on a line and without variables: `python3 pasted.py < PRINTED`."""

import re
import shlex
import sys


def pasted(printed):
    """The lines, in the order of the text."""
    values = dict(re.findall(r"^(?:export )?(\w+)=(.*)$", printed, re.MULTILINE))
    calls = re.findall(r"^(grpcurl .*?) <<'END'\n(.*?)\nEND$", printed, re.MULTILINE | re.DOTALL)
    for command, message in calls:
        command = command.replace("\\\n ", "").replace(" -expand-headers", "")
        command = command.replace('"$CREDENTIALD_CA_FILE"', values.get("CREDENTIALD_CA_FILE", ""))
        command = command.replace("-d @", "-d " + shlex.quote(message.replace("\n", "")))
        yield re.sub(r"\$\{(\w+)\}", lambda name: values[name[1]], command)


if __name__ == "__main__":
    print(*pasted(sys.stdin.read()), sep="\n")
