# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bucket of S3, at Amazon or any other endpoint, as a target, by boto3. Locks of objects are set if wanted, and always respected."""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
import traceback
import typing as t
import urllib.parse

from .._errors import HostError
from .target import Locked

try:
    import boto3
    import botocore.config
    import botocore.exceptions

    _BOTO_ERROR = None
except ImportError:
    _BOTO_ERROR = traceback.format_exc()

__all__ = ("S3Target",)

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MISSING = ("404", "NoSuchKey", "NotFound")
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 15, 60, 4


class S3Target:
    """A bucket and a prefix in it. Without keys, boto3 finds credentials as usual: in the environment, or those of the machine."""

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        """Take the options of the target."""
        self._bucket, self._prefix = options["bucket"], options["prefix"].strip("/") + "/" if options["prefix"].strip("/") else ""
        self._options = options
        url = urllib.parse.urlsplit(options["endpoint"] or "")
        self.name = f"s3 {url.netloc.rpartition('@')[2] + '/' if url.netloc else ''}{self._bucket}/{self._prefix}"
        if options["endpoint"] and (url.username or not url.hostname or (url.scheme != "https" and url.hostname not in _LOOPBACK)):
            raise HostError(f"{self.name}: endpoint: found {url.scheme}://{url.hostname}, expected an https:// URL without a login")
        if bool(options["access_key"]) != bool(options["secret_key"]):
            raise HostError(f"{self.name}: found one of access_key and secret_key, expected both or none")
        if options["lock_days"] < 0:
            raise HostError(f"{self.name}: lock_days: found {options['lock_days']}, expected 0 or more")
        if _BOTO_ERROR:
            raise HostError(f"{self.name}: {sys.executable} on the director: found no library boto3, expected 1.34 or later; install it:\n{_BOTO_ERROR}")
        self._made: t.Any = None

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the objects."""
        found = {}
        with self._errors("the objects cannot be listed"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"):
                for entry in page.get("Contents", []):
                    found[entry["Key"][len(self._prefix) :]] = entry["Size"]
        return found

    def put(self, path: str, name: str) -> None:
        """Write an object, in parts if it is large, with a checksum of each. With lock_days, nobody can remove it before."""
        extra: dict[str, t.Any] = {"ChecksumAlgorithm": "SHA256"} if self._options["lock_days"] or not self._options["endpoint"] else {}
        if self._options["lock_days"]:
            until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=self._options["lock_days"])
            extra.update(ObjectLockMode=self._options["lock_mode"], ObjectLockRetainUntilDate=until)
        with self._errors(f"{name} cannot be written"):
            if self._head(name) is not None:
                raise HostError(f"{self.name}: found {name}, expected no such object yet")
            self._client.upload_file(path, self._bucket, self._prefix + name, ExtraArgs=extra)

    def get(self, name: str, path: str) -> None:
        """Read an object."""
        with self._errors(f"{name} cannot be read"):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                self._client.download_fileobj(self._bucket, self._prefix + name, stream)

    def remove(self, name: str) -> None:
        """Remove an object, in a bucket with versions this version, since a marker of its deletion would free nothing."""
        with self._errors(f"{name} cannot be removed"):
            head = self._head(name) or {}
            until = head.get("ObjectLockRetainUntilDate")
            if head.get("ObjectLockLegalHoldStatus") == "ON" or (until and until > datetime.datetime.now(datetime.timezone.utc)):
                raise Locked
            version = {"VersionId": head["VersionId"]} if head.get("VersionId") not in (None, "null") else {}
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name, **version)

    def _head(self, name: str) -> dict[str, t.Any] | None:
        try:
            return self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
        except botocore.exceptions.ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                return None
            raise

    @property
    def _client(self) -> t.Any:
        if self._made is None:
            own = self._options
            settings = {
                "connect_timeout": _CONNECT_SECONDS,
                "read_timeout": _READ_SECONDS,
                "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
                "s3": {"addressing_style": "path" if own["endpoint"] else "auto"},
            }
            # Other servers than Amazon's may not know the checksums that newer versions of boto3 send by default.
            only_required = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"} if own["endpoint"] else {}
            try:
                config = botocore.config.Config(**settings, **only_required)
            except TypeError:  # before 1.36, which sends none
                config = botocore.config.Config(**settings)
            self._made = boto3.session.Session().client(
                "s3",
                region_name=own["region"] or ("us-east-1" if own["endpoint"] else None),
                endpoint_url=own["endpoint"] or None,
                aws_access_key_id=own["access_key"] or None,
                aws_secret_access_key=own["secret_key"] or None,
                verify=own["ca_path"] or None,
                config=config,
            )
        return self._made

    @contextlib.contextmanager
    def _errors(self, what: str) -> t.Iterator[None]:
        """Turn the errors of boto3 into ours. They name the request and the server's reason, and no key."""
        try:
            yield
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, boto3.exceptions.Boto3Error, ValueError) as error:
            raise HostError(f"{self.name}: {what}: {error}") from error
        except OSError as error:
            raise HostError(f"{self.name}: {what}: {error.strerror or error}") from error
