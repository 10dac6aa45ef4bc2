"""Run a playbook and kill it, with all that it started, one second after it came to a task: kill_at.py TASK INVENTORY PLAYBOOK."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time


def family(pid: int) -> list[int]:
    """Return a process and all that come from it: Ansible's workers have sessions of their own, so a process group is not enough."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []
    return [pid, *(member for child in children for member in family(int(child)))]


task, inventory, playbook = sys.argv[1:]
command = ["ansible-playbook", "--inventory", inventory, playbook]
signal.signal(signal.SIGTERM, signal.default_int_handler)
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True) as process:
    try:
        for line in process.stdout:
            if line.startswith("TASK") and task in line:
                time.sleep(1)  # somewhere in the middle of the task, on every machine elsewhere
                for pid in family(process.pid):
                    os.kill(pid, signal.SIGKILL)
                print(f"killed at: {line}")
                sys.exit()
            print(line, end="")
    except KeyboardInterrupt:
        process.terminate()
        raise
sys.exit(f"The run ended with {process.returncode} before it came to: {task}")
