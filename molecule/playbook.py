# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of a playbook on the hosts of a scenario, which can be killed at a chosen task."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import typing as t

from moments import begun, chosen
from scenario import DIRECTORY, ROOT


class Run:
    """One run. Each line of its output is kept with the time when it was printed."""

    def __init__(self, playbook: str, *options: str, environment: dict[str, str] | None = None, inventory: object = None) -> None:
        self.lines: list[tuple[float, str]] = []
        self._started = time.monotonic()
        self._log = DIRECTORY / f"{pathlib.Path(playbook).stem}.log"
        command = ["ansible-playbook", f"--inventory={inventory or DIRECTORY / 'inventory.yml'}", *options, f"playbooks/{playbook}"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """The output so far."""
        return "".join(line for _at, line in list(self.lines))

    @property
    def task(self) -> str:
        """The task that began last."""
        return next((line.strip(" *\n") for _at, line in reversed(list(self.lines)) if line.startswith("TASK [")), "")

    @property
    def seconds(self) -> int:
        """The seconds since the run started."""
        return round(time.monotonic() - self._started)

    def said(self, words: str, since: float = 0) -> float | None:
        """Return when the run first printed these words after a time."""
        return next((at for at, line in list(self.lines) if words in line and at > since), None)

    def end(self, seconds: float = 900) -> int:
        """Wait for the run to end, and return its exit code."""
        code = self._process.wait(seconds)
        self._reader.join()
        return code

    def kill_at(self, *words: str, seconds: float = 400) -> None:
        """Kill the run and its child processes one second after it has printed these words, one after the other."""
        # One second later it is in the middle of the task; the exact point differs between machines.
        self.kill_when(lambda: self._has_printed(words), f"printed {words}", seconds, wait=1)

    def kill_when(self, condition: t.Callable[[], bool], said: str, seconds: float = 400, wait: float = 0) -> None:
        """Kill the run and its child processes when a condition holds."""
        until = time.monotonic() + seconds
        try:
            while not condition():
                assert self._process.poll() is None and time.monotonic() < until, f"The run never {said}:\n{self.text}"
                time.sleep(0.1)
            time.sleep(wait)
        finally:
            for pid in _process_tree(self._process.pid):
                os.kill(pid, signal.SIGKILL)
            self._process.wait()

    def _has_printed(self, words: tuple[str, ...]) -> bool:
        rest = self.text
        for word in words:
            _before, found, rest = rest.partition(word)
            if not found:
                return False
        return True

    def _read(self) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            for line in self._process.stdout:
                self.lines.append((time.monotonic(), line))
                log.write(f"{time.strftime('%H:%M:%S')} {line}")
                log.flush()


def changes(output: str) -> dict[str, int]:
    """Return the numbers of changes by host, of the hosts that have any, as the recap of a run has them."""
    _before, recap, hosts = output.rpartition("PLAY RECAP")
    counts = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", hosts, re.MULTILINE)
    assert recap and counts, output
    return {host: int(number) for host, number in counts if number != "0"}


def succeed(playbook: str, *options: str, seconds: float = 900, **words: t.Any) -> Run:
    """Return a run that has ended well."""
    run = Run(playbook, *options, **words)
    assert run.end(seconds) == 0, run.text
    return run


def kill_updates(number: int, seed: str, *options: str, seconds: float = 900) -> list[tuple[str, str, float, str]]:
    """Kill an update so many times at random moments, and return these with the task that was running."""
    killed = []
    for phase, host, wait in chosen(succeed("update.yml", *options, "--check").text, number, seed):
        run = Run("update.yml", *options)
        run.kill_when(lambda: begun(phase, host, run.text), f"began with {host}, {phase}", seconds, wait)
        killed.append((phase, host, wait, run.task))
    return killed


def _process_tree(pid: int) -> list[int]:
    """Return a process and its descendants. Ansible's workers have separate sessions, so killing the process group is not enough."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []
    return [pid, *(descendant for child in children for descendant in _process_tree(int(child)))]
