# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore on the director: prove the backup, restore the store or add keys to it, record how far it is. Hosts get the snapshot from its directory."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import typing as t

from .._errors import HostError
from .._files import make_directory
from .._store.backup import Records, export_records, import_plan, import_records
from .._store.encryption import check_passphrase
from .._store.options import STORE
from .._store.store import Conflict, Store
from .._store.versions import RECORD
from . import progress, status
from .artifact import SNAPSHOT, read_artifact
from .artifact import STORE as STORE_FILE
from .merge import KEYS, LASTING, Parts, merged, taken_back
from .retention import NAME, moment_of, newest_verified
from .target import Target, backups, check_clock
from .targets import TARGETS, open_targets
from .versions import oldest_versions
from .work import read_piece

__all__ = ("REQUIRED_IF", "SPEC", "differences", "operate")

SPEC: dict[str, t.Any] = {
    **STORE,
    "phase": {"type": "str", "choices": ["prove", "store", "read", "note", "remove"], "required": True},
    "restore": {"type": "str", "default": "latest"},
    "only": {"type": "str", "choices": ["everything", "store"], "default": "everything"},
    "cluster": {"type": "str"},
    "directory": {"type": "path"},
    "passphrase": {"type": "str", "no_log": True},
    "targets": {**TARGETS, "default": []},
    "about": {"type": "dict", "default": {}},
    "hosts": {"type": "list", "elements": "str"},
    "manifest": {"type": "dict"},
    "living": {"type": "int", "default": 0},
    "offset": {"type": "int", "default": 0},
    "reached": {"type": "str", "choices": ["restored", "finished"]},
}
REQUIRED_IF = [
    ("phase", "prove", ("cluster", "directory", "passphrase", "hosts")),
    ("phase", "store", ("directory", "manifest")),
    ("phase", "read", ("directory",)),
    ("phase", "note", ("reached",)),
    ("phase", "remove", ("directory",)),
]

_COPY = "backup"  # the copy of a backup that was fetched from a target
_FILES = (STORE_FILE, SNAPSHOT, "mark", _COPY)
_LATEST = "latest"
_SAME = ("service_cidr", "pod_cidr", "domain")  # objects in the backup depend on them

Options = t.Mapping[str, t.Any]


def operate(store: Store, options: Options, check_mode: bool = False) -> dict[str, t.Any]:
    """Do one phase, and return the result of the module."""
    if check_mode and options["phase"] != "prove":
        return {"changed": False, "skipped": True}
    if options["phase"] == "prove":
        with _for_a_check(options["directory"]) if check_mode else contextlib.nullcontext():
            return _prove(store, options)
    if options["phase"] == "store":
        return _store(store, options)
    if options["phase"] == "read":
        return {"changed": False, "content": read_piece(os.path.join(options["directory"], SNAPSHOT), options["offset"])}
    if options["phase"] == "note":
        return {"changed": True, "progress": progress.note(store.backend, options["reached"])}
    with contextlib.suppress(OSError):
        _remove(options["directory"])
    return {"changed": False}


def differences(manifest: Options, about: Options, versions: Options) -> list[str]:
    """Return why a backup does not fit the cluster that the inventory and the store describe. The function is pure."""
    found = [
        f"{name}: found {manifest['about'][name]} in the backup, expected {about[name]}, as the inventory says: objects in the backup depend on it"
        for name in _SAME
        if name in manifest["about"] and name in about and manifest["about"][name] != about[name]
    ]
    # A host of then that is no host of today is lost, or belongs to another cluster.
    names = {address: name for name, address in manifest["about"].get("addresses", {}).items()}
    endpoint, today = about.get("endpoint"), about.get("addresses", {}).values()
    if endpoint in names and endpoint not in today:
        found.append(
            f"cluster_api_host: found {endpoint}, the address that {names[endpoint]} had at the time of the backup and that no host of the inventory has, "
            "expected the address or the name of the API of these hosts"
        )
    then, now = (values.get("kubernetes") for values in (manifest["versions"], versions))
    if then and now and _minor(now) - _minor(then) not in (0, 1):
        found.append(f"versions: found a backup of Kubernetes {then}, expected one of the minor of {now}, or of the one before")
    storage, etcd = manifest["etcd"]["storage_version"] or manifest["etcd"]["etcd_version"], versions.get("etcd")
    if storage and etcd and _release(etcd) < _release(storage):
        found.append(f"versions: found a backup of etcd's storage version {storage}, expected one that etcd {etcd} can read")
    return found


def _prove(store: Store, options: Options) -> dict[str, t.Any]:
    """Fetch the backup, verify all of it, and compare it with the cluster. Only the directory is written to."""
    check_passphrase(options["passphrase"])
    before = progress.read(store.backend)
    if options["only"] == "store" and progress.unfinished(before) and before["phase"] != "importing":
        # It would end the record of that restore, whose members may have different data.
        raise HostError(
            f"restore_only: found store, expected everything: the restore of {before['id']}, in phase {before['phase']} since {before['at']}, has not "
            f"finished. Finish it first: run restore.yml with -e restore={before['id']}. Nothing was changed"
        )
    _make(options["directory"])
    manifest = _verified(options, before, status.read(store.backend))
    progress.check(before, manifest["id"])
    records = _records(options["directory"])
    continued = progress.unfinished(before) and before["id"] == manifest["id"]
    lost = before["phase"] == "importing" if continued else not _is_there(store)
    problems, adds, back = [], [], []
    if options["only"] == "store":
        if not lost:
            import_plan(store, records, force=False, all_of_them=True)
    else:
        versions = manifest["versions"] if lost else oldest_versions(store, options["hosts"])
        problems = differences(manifest, options["about"], versions)
        today = _newest(records if lost else export_records(store, KEYS))
        adds = sorted(merged(today, _history(records), manifest["secrets"]))
        back = taken_back(today, adds)
    return {
        "changed": False,
        "id": manifest["id"],
        "manifest": manifest,
        "continued": continued,
        "problems": problems,
        "text": _text(manifest, str(store), lost, continued, options["only"], adds, back),
    }


def _store(store: Store, options: Options) -> dict[str, t.Any]:
    """Import the store if it was lost, or add the keys of the backup to the one that is there."""
    manifest, path = options["manifest"], os.path.join(options["directory"], STORE_FILE)
    records = _records(options["directory"])
    only_store = options["only"] == "store"
    # A run for the store only has no other phase, so that it goes on if it is killed.
    lost = only_store or not _is_there(store)
    found = progress.begin(store.backend, manifest["id"], manifest["etcd"]["revision"], lost, options["living"])
    if found["phase"] == "importing":
        import_records(store, import_plan(store, records, force=False, all_of_them=True))
        found = progress.note(store.backend, "finished" if only_store else "begun")
    if found["phase"] == "begun" and found["store"] == "imported":
        _record_versions(store, manifest["versions"])
    added = {} if only_store else merged(_newest(export_records(store, KEYS)), _history(records), manifest["secrets"])
    for name, (public, secret) in added.items():
        record = store.get(name)
        try:
            store.put(name, public, secret, record.version if record else 0)
        except Conflict as error:
            raise HostError(f"{name}: another run wrote to the store {store} at the same time; run it again") from error
    os.unlink(path)
    # Also those that an interrupted run has added.
    former = [name for name, (_public, secret) in _newest(export_records(store, KEYS)).items() if secret.get("others")]
    return {"changed": True, "progress": found, "former": sorted(former)}


def _make(directory: str) -> None:
    """Make an empty directory for the secrets in the backup."""
    try:
        _remove(directory)
        make_directory(os.path.dirname(directory))
        os.mkdir(directory, 0o700)
    except OSError as error:
        raise _unusable(directory, error) from error


def _unusable(directory: str, error: OSError) -> HostError:
    return HostError(f"{directory}: cannot be made: {error.strerror}; expected a directory that only restores use")


@contextlib.contextmanager
def _for_a_check(directory: str) -> t.Iterator[None]:
    """Wait until no other check uses the directory, and remove it at the end. Checks do not take the lock of the cluster."""
    parent = os.path.dirname(directory)
    try:
        make_directory(parent)
        descriptor = os.open(parent, os.O_RDONLY)
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        with contextlib.suppress(OSError):
            _remove(directory)
        os.close(descriptor)


def _remove(directory: str) -> None:
    """Remove the directory of a restore. One with other files is not ours, and stays as it is: backups may be in it."""
    with contextlib.suppress(FileNotFoundError):
        names = os.listdir(directory)
        for name in names if set(names) <= set(_FILES) else ():
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)


def _verified(options: Options, before: Options, made: Options) -> dict[str, t.Any]:
    """Find the backup, verify all of it, unpack it into the directory, and return its manifest.

    A copy that is damaged, or that is another backup, does not count if another copy is right.
    """
    wanted, directory = options["restore"], options["directory"]
    verify: t.Callable[..., dict[str, t.Any]] = functools.partial(
        read_artifact, passphrase=options["passphrase"], cluster=options["cluster"], directory=directory
    )
    if "/" in wanted:
        return verify(os.path.expanduser(wanted), where=wanted)
    reasons = []
    name, targets = _found(options, before, made)
    for target in targets:
        copy = os.path.join(directory, _COPY)
        try:
            target.get(name, copy)
            manifest = verify(copy, where=f"{target.name}, {name}")
            if manifest["id"] != name:
                raise HostError(f"{target.name}, {name}: found the backup {manifest['id']} under this name; take another copy or backup")
            return manifest
        except HostError as error:
            reasons.append(str(error))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(copy)
    raise HostError("; ".join(reasons))


def _found(options: Options, before: Options, made: Options) -> tuple[str, list[Target]]:
    """Return the name of the backup, and the targets that have it, given the records of the last restore and of the last backup."""
    wanted, cluster, latest = options["restore"], options["cluster"], options["restore"] == _LATEST
    if not latest and (not NAME.fullmatch(wanted) or not moment_of(wanted, cluster)):
        raise HostError(f"restore: found {wanted}, expected {_LATEST}, a name such as {cluster}-20261129T010003Z.cfcr, or the path of a file")
    targets = open_targets(options["targets"])
    if not latest:
        return _named(wanted, targets)
    began = before["phase"] if progress.unfinished(before) else ""
    if began in ("importing", "restored"):
        return _named(before["id"], targets)
    newest: dict[Target, str] = {}
    silent = []
    for target in targets:
        try:
            check_clock(target, cluster)
            newest[target] = newest_verified(backups(target, cluster, options["directory"])) or ""
        except HostError as error:
            silent.append(str(error))
    name = max(newest.values(), default="")
    if began and name <= before["id"]:
        return _named(before["id"], targets)
    if began:
        raise HostError(
            f"restore: found {_LATEST}, {before['id']}, whose restore began {before['at']} and has not reached etcd, and the newer {name}, expected the name "
            "of one of them: to go on with the former would give up what was written since"
        )
    if silent:
        known = f"The newest one at the others is {name}. " if name else ""
        raise HostError(
            f"restore: found {_LATEST}, expected the name of a backup, since a target that may have a newer one cannot be asked. {known}{'; '.join(silent)}"
        )
    if not name:
        raise HostError(f"restore: found no backup: {'; '.join(f'{target.name}: found no verified backup' for target in targets)}")
    known = made.get("newest", {}).get("id", "")
    if name < known:
        raise HostError(
            f"restore: found {_LATEST}, and {name} as the newest backup at the targets, expected {known}, which the store has recorded. If it is lost, give "
            "the name of a backup"
        )
    return name, [target for target, its in newest.items() if its == name]


def _named(name: str, targets: t.Iterable[Target]) -> tuple[str, list[Target]]:
    """Return a name, and the targets that have this backup."""
    found, reasons = [], []
    for target in targets:
        try:
            if name in target.sizes():
                found.append(target)
            else:
                reasons.append(f"{target.name}: found no {name}")
        except HostError as error:
            reasons.append(str(error))
    if not found:
        raise HostError(f"restore: found no backup: {'; '.join(reasons)}")
    return name, found


def _is_there(store: Store) -> bool:
    return any(store.names(kind.rstrip("/")) for kind in LASTING)


def _record_versions(store: Store, versions: Options) -> None:
    """Record the versions that can read the data, which are newer than those in the backup if it was made in the middle of an update."""
    record = store.get(RECORD)
    if record and record.public["now"] != versions:
        store.put(RECORD, {**record.public, "now": dict(versions), "former": record.public["now"]}, {}, record.version)


def _records(directory: str) -> Records:
    with open(os.path.join(directory, STORE_FILE), encoding="utf-8") as stream:
        return json.load(stream)


def _history(records: Records) -> dict[str, list[Parts]]:
    return {name: [(version["public"], version["secret"]) for version in records[name]] for name in KEYS if records.get(name)}


def _newest(records: Records) -> dict[str, Parts]:
    return {name: history[-1] for name, history in _history(records).items()}


def _text(manifest: Options, store: str, lost: bool, continued: bool, only: str, adds: t.Sequence[str], back: t.Sequence[str]) -> list[str]:
    """Return for people what was found, and what a run does."""
    etcd, versions = manifest["etcd"], manifest["versions"]
    kept = "keeps its records" + (f", and gets former keys: {', '.join(adds)}" if adds else "")
    return [
        f"{manifest['id']}: made {manifest['created_at']}, {etcd['key_count']} keys, revision {etcd['revision']}, {sum(manifest['secrets'].values())} Secrets, "
        f"Kubernetes {versions.get('kubernetes', 'unknown')}, etcd {etcd['etcd_version']}; verified",
        f"store {store}: {'is imported from the backup' if lost else 'gets what it does not have' if only == 'store' else kept}",
        *([f"rotations in phase trust that are taken back: {', '.join(back)}"] if back else []),
        *([] if only == "store" else ["etcd: all members get the data of the backup; former data is moved aside"]),
        *(["It continues a restore that was interrupted"] if continued else []),
    ]


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))
