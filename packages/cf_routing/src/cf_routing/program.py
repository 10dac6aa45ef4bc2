# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The frame of both programs: configuration, connections, a task, and a clean stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import typing as t

import aiohttp

from .config import ConfigError, Table, load
from .kubernetes import connector
from .status import Status, log, serve
from .tasks import end

EX_CONFIG = 78
# The time for a clean stop after SIGTERM.
STOP_SECONDS = 8


class Program(t.Protocol):
    """One of the two programs."""

    def __init__(self, session: aiohttp.ClientSession, config: dict[str, t.Any], status: Status) -> None:
        """Prepare the program; `run` starts it."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until the event is set, then stop cleanly."""


class OneLine(logging.Formatter):
    """One line for each message, because the journal makes a message of each line. The journal adds the time."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", " | ")


def start(name: str, description: str, table: Table, program: type[Program]) -> int:
    """Run a program until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(name, description=description)
    parser.add_argument("--config", required=True, metavar="FILE", help="the configuration, in JSON")
    parser.add_argument("--check", action="store_true", help="validate the configuration and exit")
    arguments = parser.parse_args()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # These libraries also log the exceptions that they raise.
    for library in ("nats", "aiohttp", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        config = load(arguments.config, table)
    except ConfigError as error:
        for mistake in str(error).splitlines():
            log.error("%s", mistake)
        return EX_CONFIG
    return 0 if arguments.check else asyncio.run(run(config, program))


async def run(config: dict[str, t.Any], program: type[Program]) -> int:
    status, stop = Status(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        runner = await serve(config["listen"], status)
    except OSError as error:
        log.error("cannot listen on %s: %s", config["listen"], error)
        return 1
    try:
        notify("READY=1")
        async with aiohttp.ClientSession(connector=connector(), trust_env=False) as session:
            await program(session, config, status).run(stop)
    finally:
        await runner.cleanup()
    return 0


async def until(stop: asyncio.Event, *tasks: asyncio.Task) -> None:
    """Wait until the event is set or a task fails, then cancel all tasks."""
    waiting = asyncio.create_task(stop.wait())
    try:
        done, _pending = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(waiting, *tasks)


def notify(message: str) -> None:
    """Notify systemd, if the unit is of Type=notify."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(f"\0{path[1:]}" if path.startswith("@") else path)
            connection.send(message.encode())
