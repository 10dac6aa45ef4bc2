# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenStack Swift on loopback: a real object store with the API of S3, from Debian's package python3-swift. It has no locks of objects."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import subprocess
import time
import typing as t

import boto3
from _etcd import free_ports

# Its libraries are Debian's own.
PYTHON = "/usr/bin/python3"
START_SECONDS = 120
SERVER = """
import sys
from swift.common import utils
utils.SWIFT_CONF_FILE = sys.argv[3]
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi(sys.argv[1], sys.argv[2], verbose=True))
"""
RING = "import sys\nfrom swift.cli.ringbuilder import main\nmain(sys.argv)\n"
COMMON = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {directory}
devices = {directory}/devices
mount_check = false
log_address = /nowhere
"""
BACKEND = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
# s3api wants a cache. Without one that answers, it goes on.
PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper cache bulk s3api tempauth slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:tempauth]
use = egg:swift#tempauth
user_backup_writer = hidden_secret .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
""" + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in ("catch_errors", "gatekeeper", "bulk", "slo", "dlo", "symlink"))


@contextlib.contextmanager
def swift_running(directory: pathlib.Path) -> t.Iterator[dict[str, str]]:
    """Run the four servers, and yield the options of a target in a new bucket."""
    (directory / "devices/disk").mkdir(parents=True)
    (directory / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
    (directory / "server.py").write_text(SERVER)
    (directory / "ring.py").write_text(RING)
    ports = dict(zip(("account", "container", "object", "proxy"), free_ports(4)))
    for kind, port in ports.items():
        text = PROXY if kind == "proxy" else BACKEND.format(kind=kind)
        (directory / f"{kind}.conf").write_text(COMMON.format(port=port, directory=directory) + text)
        if kind != "proxy":
            device = ["--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--port", str(port), "--device", "disk", "--weight", "1"]
            for arguments in (["create", "4", "1", "1"], ["add", *device], ["rebalance"]):
                subprocess.run([PYTHON, "ring.py", f"{kind}.builder", *arguments], cwd=directory, check=True, capture_output=True)
    processes = []
    try:
        for kind in ports:
            with open(directory / f"{kind}.log", "wb") as log:
                command = [PYTHON, "server.py", f"{directory}/{kind}.conf", f"{kind}-server", f"{directory}/swift.conf"]
                processes.append(subprocess.Popen(command, cwd=directory, stdout=log, stderr=log))
        deadline = time.monotonic() + START_SECONDS
        for kind, port in ports.items():
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert time.monotonic() < deadline, (directory / f"{kind}.log").read_text()[-4000:]
                time.sleep(0.2)
        target = {
            "type": "s3", "endpoint": f"http://127.0.0.1:{ports['proxy']}", "bucket": "backups", "access_key": "backup:writer", "secret_key": "hidden_secret",
        }  # fmt: skip
        keys = {"aws_access_key_id": target["access_key"], "aws_secret_access_key": target["secret_key"], "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=target["endpoint"], **keys).create_bucket(Bucket=target["bucket"])
        yield target
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
