# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup on the director, in four steps: prepare, receive the snapshot piece by piece, create, remove what is left.

The store is exported before the snapshot and after it. The backup counts only if CAs and credentials are the same in both: then the keys in it are
those that the snapshot needs.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import typing as t

from .._errors import HostError
from .._store.backup import Records, export_records
from .._store.encryption import check_passphrase
from .._store.options import STORE
from .._store.store import Store
from .._timestamp import to_timestamp
from . import status
from .artifact import read_artifact, write_artifact
from .merge import LASTING
from .retention import KEEP, Entry, check_keep, moment_of, name_of
from .secrets import check_samples
from .target import Target, backups, check_clock, retain, send
from .targets import TARGETS, open_targets
from .versions import newest_versions
from .work import Work, check_free

__all__ = ("SPEC", "manifest_of", "operate")

SPEC: dict[str, t.Any] = {
    **STORE,
    "phase": {"type": "str", "choices": ["prepare", "receive", "create", "remove", "fail"], "required": True},
    "cluster": {"type": "str"},
    "directory": {"type": "path"},
    "id": {"type": "str"},
    "passphrase": {"type": "str", "no_log": True},
    "targets": {**TARGETS, "default": []},
    "keep": KEEP,
    "store_digest": {"type": "str"},
    "snapshot": {"type": "dict"},
    "about": {"type": "dict", "default": {}},
    "offset": {"type": "int", "default": 0},
    "content": {"type": "str", "no_log": True},
    "problem": {"type": "str", "default": ""},
}
REQUIRED_IF = [
    ("phase", "prepare", ("cluster", "directory", "passphrase")),
    ("phase", "receive", ("directory", "id", "content")),
    ("phase", "create", ("cluster", "directory", "id", "passphrase", "store_digest", "snapshot")),
    ("phase", "remove", ("directory", "id")),
]

_IN_CHECK_MODE = ("prepare", "fail")
_SAMPLES = "samples"

Options = t.Mapping[str, t.Any]


def operate(store: Store, options: Options, check_mode: bool = False) -> dict[str, t.Any]:
    """Do one step, and return the result of the module."""
    if check_mode and options["phase"] not in _IN_CHECK_MODE:
        return {"changed": False, "skipped": True}
    if options["phase"] == "fail":
        if not check_mode:
            status.write(store.backend, _now(), options["problem"], None, None)
        return {"changed": False}
    if options["phase"] == "prepare":
        return _prepare(store, options, check_mode)
    work = Work(options["directory"], options["id"])
    if options["phase"] == "receive":
        return {"changed": False, "size": work.append(options["offset"], options["content"])}
    if options["phase"] == "remove":
        work.remove()
        return {"changed": False}
    return _create(store, options, work)


def manifest_of(options: Options, records: Records, versions: Options) -> dict[str, t.Any]:
    """Return the manifest without the hashes. The function is pure. It has no secrets."""
    public = {name: history[-1]["public"] for name, history in records.items()}
    return {
        "cluster": options["cluster"],
        "id": options["id"],
        "created_at": moment_of(options["id"], options["cluster"]),
        "etcd": {name: value for name, value in options["snapshot"].items() if name not in (_SAMPLES, "objects", "secrets", "seconds")},
        "objects": options["snapshot"]["objects"],
        "secrets": options["snapshot"]["secrets"],
        "versions": dict(versions),
        "hosts": public.get("credentials/host-indices", {}).get("hosts", {}),
        "records": {name: len(history) for name, history in sorted(records.items())},
        "about": options["about"],
    }


def digest_of(records: Records) -> str:
    """Return a hash of the records that a backup needs to be consistent with."""
    lasting = {name: history for name, history in records.items() if name.startswith(LASTING)}
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


def _prepare(store: Store, options: Options, check_mode: bool) -> dict[str, t.Any]:
    """Refuse what cannot succeed before any host is touched, and make the directory."""
    check_passphrase(options["passphrase"])
    check_keep(options["keep"])
    targets = open_targets(options["targets"])
    name = name_of(options["cluster"], datetime.datetime.now(datetime.timezone.utc))
    records = export_records(store)
    if not any(record.startswith(LASTING) for record in records):
        raise HostError(f"the store {store} is empty, expected that of cluster {options['cluster']}; a backup without it could not be restored")
    problems = {}
    for target in targets:
        try:
            check_clock(target, options["cluster"])
        except HostError as error:
            problems[target.name] = str(error)
    # Otherwise the others get the backup, and the run fails afterwards.
    if problems and (check_mode or len(problems) == len(targets)):
        raise HostError("; ".join(problems.values()))
    if not check_mode:
        Work(options["directory"], name).make()
    return {"changed": False, "id": name, "store_digest": digest_of(records), "problems": list(problems.values())}


def _create(store: Store, options: Options, work: Work) -> dict[str, t.Any]:
    """Make the file, verify it, send it to all targets, and record that."""
    snapshot, name = options["snapshot"], options["id"]
    work.check_snapshot(snapshot["size"], snapshot["sha256"])
    records = export_records(store)
    if digest_of(records) != options["store_digest"]:
        raise HostError(f"the store {store}: found other CAs or credentials than before the snapshot, since another run has changed them; back up again")
    check_samples(snapshot[_SAMPLES], records)
    path = os.path.join(work.path, "backup")
    check_free(work.path, snapshot["size"], "the backup")
    versions = newest_versions(store, snapshot["etcd_version"])
    manifest = write_artifact(path, options["passphrase"], manifest_of(options, records, versions), records, work.snapshot)
    os.unlink(work.snapshot)
    if read_artifact(path, options["passphrase"], options["cluster"], where=name) != manifest:
        raise HostError(f"{name}: found another manifest when it was read back")
    size = os.path.getsize(path)
    mark = {field: manifest[field] for field in ("cluster", "id", "created_at", "versions", "objects")}
    mark = {**mark, "revision": snapshot["revision"], "etcd_version": snapshot["etcd_version"], "verified_at": _now()}
    sent: dict[str, dict[str, t.Any]] = {}
    for target in open_targets(options["targets"]):
        sent[target.name] = _send(target, path, mark, options, work)
    problems = [its["problem"] for its in sent.values() if its["problem"]]
    verified = any(its["newest"] == name for its in sent.values())
    newest = {"id": name, "created_at": manifest["created_at"], "size": size, "revision": snapshot["revision"]} if verified else None
    status.write(store.backend, _now(), "; ".join(problems), newest, {target: _status(its) for target, its in sent.items()})
    if problems:
        raise HostError("; ".join(problems) + (f". {name} is verified at the other targets" if verified else ""))
    return {"changed": True, "id": name, "size": size, "manifest": manifest, "targets": sent}


def _send(target: Target, path: str, mark: Options, options: Options, work: Work) -> dict[str, t.Any]:
    """Send the file to one target. Only if it is verified there, remove those that are no longer kept."""
    result: dict[str, t.Any] = {"newest": None, "removed": [], "locked": [], "problem": ""}
    try:
        check_clock(target, options["cluster"])
        send(target, path, options["id"], mark, work.path)
        result["removed"], result["locked"] = retain(target, options["keep"], options["cluster"], work.path, options["id"])
        if Entry(options["id"], True) not in backups(target, options["cluster"], work.path):
            raise HostError(f"{target.name}: found no verified {options['id']} after it was sent, expected it")
        result["newest"] = options["id"]
    except HostError as error:
        result["problem"] = str(error)
    return result


def _status(sent: Options) -> dict[str, t.Any]:
    return {"problem": sent["problem"], **({"newest": sent["newest"]} if sent["newest"] else {})}


def _now() -> str:
    return to_timestamp(datetime.datetime.now(datetime.timezone.utc))
