"""Run site.yml in check mode, and fail unless it ends well, tells of changes, and writes nothing."""

from __future__ import annotations

import pathlib
import sys
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from playbook import Run, changes  # noqa: E402  it lies in the directory of the scenarios
from points import look  # noqa: E402
from scenario import DIRECTORY, addresses, on, wait  # noqa: E402


def written() -> dict[str, t.Any]:
    """Return the files of the hosts, and those of this machine with their times."""
    files = {str(path): path.stat().st_mtime for path in DIRECTORY.rglob("*") if path.is_file() and path.suffix != ".log"}
    return {**{name: look(name)["files"] for name in addresses()}, "this machine": files}


def idle() -> bool:
    """Return whether no module works on a host, as it does for a while after its run was killed. Python reads modules from its input."""
    return not any(on(name, "sh", "-c", "pgrep --full --exact /usr/bin/python3 || true") for name in addresses())


wait(idle, 120)
before = written()
run = Run("site.yml", "--check", "--diff")
assert run.end() == 0, run.text
assert changes(run.text), run.text
after = written()
assert after == before, [name for name in before if after[name] != before[name]]
