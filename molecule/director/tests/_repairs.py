# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of repair.yml: one, several at once, or one after the other as the director's timer starts them."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).parents[3]
# What role director gives the timer. The machine that carries the hosts has no systemd of its own to run it, so a loop stands for it.
INTERVAL_SECONDS = 10


class Repair:
    """One run. Each line of what it says is kept with the time when it was said."""

    def __init__(self, inventory: pathlib.Path, *arguments: str, log: pathlib.Path) -> None:
        self.lines: list[tuple[float, str]] = []
        self.began = time.monotonic()
        command = ["ansible-playbook", "--inventory", str(inventory), *arguments, "playbooks/repair.yml"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self._log = log
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(line for _at, line in self.lines)

    def said(self, words: str) -> float | None:
        """Return when it said something for the first time."""
        return next((at for at, line in self.lines if words in line), None)

    def end(self, seconds: float = 400) -> int:
        """Wait for it to end, and return its exit code."""
        code = self.process.wait(seconds)
        self._reader.join()
        return code

    def kill_at(self, words: str, seconds: float = 200) -> None:
        """Kill it and all that it started as soon as it has said something."""
        until = time.monotonic() + seconds
        while self.said(words) is None:
            assert self.process.poll() is None and time.monotonic() < until, f"It never said {words!r}:\n{self.text}"
            time.sleep(0.1)
        for pid in _family(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _read(self) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            for line in self.process.stdout:
                self.lines.append((time.monotonic(), line))
                log.write(f"{time.strftime('%H:%M:%S')} {line}")
                log.flush()


class Timer:
    """Starts a run, waits for its end, waits for the interval, and so on."""

    def __init__(self, start) -> None:
        self.runs: list[Repair] = []
        self._start = start
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Timer:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end.set()
        self._thread.join()

    def said(self, words: str, since: float) -> tuple[Repair, float] | None:
        """Return the first run that said something after a time, and when."""
        for run in list(self.runs):
            at = next((at for at, line in list(run.lines) if words in line and at > since), None)
            if at is not None:
                return run, at
        return None

    def _work(self) -> None:
        while not self._end.is_set():
            run = self._start()
            self.runs.append(run)
            run.end()
            self._end.wait(INTERVAL_SECONDS)


def _family(pid: int) -> list[int]:
    """Return a process and all that come from it: Ansible's workers have sessions of their own, so a process group is not enough."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []
    return [pid, *(member for child in children for member in _family(int(child)))]
