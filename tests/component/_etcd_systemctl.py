# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for systemctl on one host of the tests: it supports one unit with conditions, an environment file and Restart=always.

host.json in the directory $ETCD_TEST_HOST has the command, the paths of which one must exist, and the environment file.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HOST = pathlib.Path(os.environ["ETCD_TEST_HOST"])
PID = HOST / "supervisor.pid"


def main() -> None:
    verb = sys.argv[1]
    if verb == "show":
        print("active" if running() else "inactive")
    if verb in ("stop", "restart"):
        stop()
    if verb in ("start", "restart") and not running():
        start()


def running() -> int | None:
    try:
        pid = int(PID.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def stop() -> None:
    while pid := running():
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.02)
    PID.unlink(missing_ok=True)


def start() -> None:
    if os.fork():
        while not PID.exists():
            time.sleep(0.01)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    with open(HOST / "log", "ab") as log, open(os.devnull, "rb") as null:
        os.dup2(null.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    supervise(json.loads((HOST / "host.json").read_text()))


def supervise(host: dict) -> None:
    """Run etcd and restart it while a condition is met, until SIGTERM."""
    process = None
    stopping = False

    def end(*_arguments: object) -> None:
        nonlocal stopping
        stopping = True
        if process:
            process.terminate()

    signal.signal(signal.SIGTERM, end)
    PID.write_text(str(os.getpid()))
    while not stopping and any(os.path.exists(path) for path in host["conditions"]):
        environment = {"ETCD_INITIAL_CLUSTER_STATE": "existing"}
        if os.path.exists(host["environment_file"]):
            environment.update(line.split("=", 1) for line in pathlib.Path(host["environment_file"]).read_text().splitlines())
        process = subprocess.Popen(host["command"], env=environment)
        process.wait()
        if not stopping:
            time.sleep(0.2)
    PID.unlink(missing_ok=True)


main()
