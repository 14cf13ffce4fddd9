#!/usr/bin/env bash
# libpass replaces the files of passlib without a warning, and removes them when it is uninstalled.
#
# Versions: passlib 1.7.4, libpass 1.9.4 (PyPI), pip of Python 3.
# Expected: pip says that both packages own the module `passlib`, or `pip check` does; or each has a module of its own. An
#           environment gets both when one dependency asks for passlib and another for its fork.
# Seen:     `import passlib` gives 1.9.4 while pip lists passlib 1.7.4, and `pip check` finds nothing. Without libpass,
#           `passlib.hash` is gone, and pip still lists passlib 1.7.4. Alone, passlib is what pip says (the control).
# So:       ask the module for its version before you compare hashes, not pip. After removing libpass, run
#           `pip install --force-reinstall passlib`.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
pip() { python/bin/pip --quiet --disable-pip-version-check "$@"; }

# state: the version of the module, or that it is broken, and the version that pip has.
state() {
    python/bin/python - <<'END'
from importlib import metadata

try:
    import passlib
    import passlib.hash
    module = passlib.__version__
except ImportError:
    module = "broken"
print(f"module {module}, pip {metadata.version('passlib')}")
END
}

pip install passlib==1.7.4
printed="alone: $(state)"
pip install libpass==1.9.4
printed+=$'\n'"with libpass: $(state), pip check: $(pip check && echo content)"
pip uninstall --yes libpass
printed+=$'\n'"without it: $(state)"
pip install --force-reinstall passlib==1.7.4
printed+=$'\n'"reinstalled: $(state)"
echo "$printed"
[[ $printed == "alone: module 1.7.4, pip 1.7.4
with libpass: module 1.9.4, pip 1.7.4, pip check: content
without it: module broken, pip 1.7.4
reinstalled: module 1.7.4, pip 1.7.4" ]]
