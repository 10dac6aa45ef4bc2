"""Run site.yml, and kill it when it comes to a task: kill_at.py TASK."""

from __future__ import annotations

import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from playbook import Run  # noqa: E402  it stands beside the scenarios

# So that the run ends, too, when the scenario is interrupted.
signal.signal(signal.SIGTERM, signal.default_int_handler)
Run("site.yml").kill_at(sys.argv[1])
