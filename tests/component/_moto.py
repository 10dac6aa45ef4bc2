# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""moto's server on loopback, which stands in for Amazon's S3 with its locks and versions."""

from __future__ import annotations

import contextlib
import typing as t

import boto3
from moto.server import ThreadedMotoServer

KEYS = {"aws_access_key_id": "writer", "aws_secret_access_key": "hidden secret", "region_name": "us-east-1"}


@contextlib.contextmanager
def moto_running() -> t.Iterator[str]:
    """Yield the URL of the server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_bucket(moto: str, name: str) -> dict[str, str]:
    """Make a bucket with versions and locks, and return the options of a target in it."""
    boto3.client("s3", endpoint_url=moto, **KEYS).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    keys = {"access_key": KEYS["aws_access_key_id"], "secret_key": KEYS["aws_secret_access_key"]}
    return {"type": "s3", "endpoint": moto, "bucket": name, "prefix": "clusters/prod", **keys}
