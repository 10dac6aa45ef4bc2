# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of the answer of every module that runs on hosts.

Root on a compromised host can forge any answer. So each answer is validated before anything reads it: it must have exactly the shape that its
module documents. Values that decisions depend on have a strict form. Values that are only shown may be any text.
"""

from __future__ import annotations

import json
import re
import typing as t

from ...module_utils._artifacts.release import VERSION
from .shapes import Each, Fields, Flag, InvalidAnswer, Line, Maybe, Named, Number, OneOf, Prose, Shape, Text, Tree, Word, address, network, source_address

__all__ = ("ANSWERS", "NoAnswer", "certificates", "check_output", "read", "validated")

Values = t.Mapping[str, t.Any]

_MOST_CHARACTERS = 8 << 20  # of an answer
_MOST_CHARACTERS_OF = {"etcd_snapshot": 32 << 20, "host_logs": 40 << 20}
# Each of these characters begins a value in JSON, and even a short value takes a hundred bytes of memory.
_MOST_VALUES = 200_000
_BEGINNINGS = "[{,:"
_MOST_LINES = 100_000
_LINE_ENDS = (b"\n", b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
_BEGIN = re.compile(r"^\{", re.MULTILINE)  # a shell may print something before it


class NoAnswer(InvalidAnswer):
    """The output of a module contains no answer."""


_MIB = Number(0, 1 << 40)
_PERCENT = Number(-1000, 1000)  # file systems count differently
_SHORT = Prose(200)
_PATH = Word(r"/[^\x00-\x1f\x7f\ud800-\udfff]{0,4095}", "an absolute path")
_JOB = Word(r"[a-z0-9][a-z0-9_-]{0,62}", "the name of a job")
_UNIT = Word(r"[A-Za-z0-9:_.@-]{1,255}", "the name of a unit")
_IDENTIFIER = Word(r"[A-Za-z0-9._+~-]{0,64}", "a name or version of letters, digits and ._+~-")
_DIGEST = Word(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal")
_MOMENT = Word(r"[0-9]{1,6}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", "a time such as 2026-11-21T16:20:05Z")
_CLUSTER_ID = Word(r"[0-9a-f]{1,16}|", "an ID in hexadecimal")
# By name. Programs are installed by it, so it is nothing else than a version.
_RELEASES = Named(_IDENTIFIER, Word(VERSION, "a version of digits and dots"), most=100)
_SEARCH_DOMAIN = Word(r"\.|[A-Za-z0-9_][A-Za-z0-9._-]{0,252}", "a domain")
_BOOT = Word("[0-9a-f-]{0,64}/[0-9]{1,20}", "an ID of the kernel and a number")
_PACKAGE = Word("[a-z0-9][a-z0-9+.:-]{0,127}", "the name of a package")
_PEM = Word(r"[\x00-\x7f\ufffd]{0,1048576}", "a file of ASCII, 1 MiB or less")

_NO_MORE = Fields({})


def _or_error(shape: Shape) -> Shape:
    """Return the shape of a value, or of the reason why there is none."""
    error = Fields({"error": Prose()})
    return lambda value, where: (error if isinstance(value, dict) and "error" in value else shape)(value, where)


_OWNERSHIP = Fields({"owner": _SHORT, "group": _SHORT, "mode": Word("[0-7]{4}", "a mode in octal")})
_PKI = Fields(
    {
        "certificates": Each(Fields({"path": _PATH, "public_key": Maybe(Word("[A-Za-z0-9+/=]{1,2000}", "base64")), "certificate": Maybe(_PEM)})),
        "bundles": Each(Fields({"path": _PATH, "content": Maybe(_PEM)})),
        "drift": Named(_PATH, Fields({"before": _OWNERSHIP, "after": _OWNERSHIP})),
    }
)


def certificates(asked: Values) -> Shape:
    """Return the shape of a host's certificates and bundles: exactly the requested ones, in this order."""
    places = {kind: [entry["path"] for entry in asked[kind]] for kind in ("certificates", "bundles")}
    files = {*places["bundles"], *(f"{path}.{suffix}" for path in places["certificates"] for suffix in ("key", "crt"))}

    def shape(value: t.Any, where: str) -> dict[str, t.Any]:
        answer = _PKI(value, where)
        for kind, paths in places.items():
            found = {entry["path"]: entry for entry in answer[kind]}
            if len(answer[kind]) != len(paths) or found.keys() != set(paths):
                raise InvalidAnswer(_at(where, kind), ", ".join(entry["path"] for entry in answer[kind]) or "none", ", ".join(paths) or "none")
            answer[kind] = [found[path] for path in paths]
        for path in answer["drift"]:
            if path not in files:
                raise InvalidAnswer(_at(where, "drift"), path, "a requested path")
        return answer

    return shape


_CERTIFICATE = _or_error(Fields({"common_name": _SHORT, "issuer": _SHORT, "not_after": _MOMENT, "days_left": Number(-10_000_000, 10_000_000)}))
_UNIT_HEALTH = Fields(
    {
        "state": _SHORT,
        "healthy": Flag,
        "problem": Maybe(Prose()),
        "since": _MOMENT,
        "restarts": Number(0, 1 << 40),
        "outdated": Flag,
    }
)
_PEERS = Maybe(Each(Fields({"id": _CLUSTER_ID, "name": _SHORT, "peer_urls": Each(Line, most=10), "learner": Flag}), most=100))
_ETCD_HEALTH = Fields(
    {
        "role": OneOf("leader", "follower", "learner"),
        "member_id": _CLUSTER_ID,
        "has_leader": Flag,
        "db_mib": Number(0, 1 << 40, whole=False),
        "in_use_mib": Number(0, 1 << 40, whole=False),
        "quota_mib": _MIB,
        "received": Named(_CLUSTER_ID, Number(0, 1 << 62), most=100),
        "members": _PEERS,
        "problem": Maybe(Prose()),
    }
)
_ROUTES = Fields({"overlay": Each(address, most=10_000), "backends": Each(address, most=10_000)})
_HEALTH = Fields(
    {
        "attempts": OneOf(1),
        "jobs": Named(_JOB, Named(_UNIT, _UNIT_HEALTH)),
        "etcd": Maybe(_ETCD_HEALTH),
        "certificates": Named(_PATH, _CERTIFICATE),
        "bundles": Named(_PATH, Each(_CERTIFICATE, most=100)),
        "drift": Named(_JOB, Each(Prose(300), most=10_000)),
        "dropping_chains": Each(Prose(300), most=1000),
        "routes": _ROUTES,
        "releases": _RELEASES,
        "load": Each(Number(0, 1 << 20, whole=False), exactly=3),
        "processors": Number(1, 1 << 20),
        "memory": Fields({"total_mib": Number(1, 1 << 40), "available_mib": _MIB}),
        "disks": Named(_PATH, _or_error(Fields({"total_mib": _MIB, "used_percent": _PERCENT, "inodes_used_percent": _PERCENT}))),
        "uptime": Number(-60, 1 << 40),
        "boot_id": _BOOT,
        "time": Number(0, 1 << 40, whole=False),
    }
)

_LISTENER = Fields(
    {
        "protocol": OneOf("tcp", "udp"),
        "address": address,
        "port": Number(0, 65535),
        "pid": Number(0, 1 << 31),
        "process": _SHORT,  # any user may have named it
        "unit": _SHORT,
    }
)
_HOST = Fields(
    {
        "user": _SHORT,
        "euid": Number(0, 1 << 32),
        "python_version": Word(r"[0-9]{1,3}\.[0-9]{1,5}(\.[A-Za-z0-9.+]{1,32})?", "a version of Python"),
        "architecture": _IDENTIFIER,
        "kernel": _SHORT,
        "operating_system": _IDENTIFIER,
        "operating_system_version": _IDENTIFIER,
        "init": _SHORT,
        "systemd_version": Number(0, 100_000),
        "container": Flag,
        "processors": Number(1, 1 << 20),
        "memory_mib": _MIB,
        "cgroup_version": OneOf(1, 2),
        "cgroup_driver": OneOf("systemd", "cgroupfs"),
        "conntrack_writable": Flag,
        "nameservers": Each(address, most=100),
        "resolved": Flag,
        "search": Each(_SEARCH_DOMAIN, most=100),
        "interfaces": Each(_SHORT, most=10_000),
        "networks": Each(Fields({"interface": _SHORT, "network": network}), most=10_000),
        "addresses": Each(source_address, most=64),
        "firewall_addresses": Named(Line, Each(source_address, most=65), most=10_000),
        "ephemeral_ports": Each(Number(0, 65535), most=2),
        "cluster_networks": Fields({}, {"cluster_service_cidr": network, "cluster_pod_cidr": network}),
        "etcd_members": _PEERS,
        "routes": _ROUTES,
        "releases": _RELEASES,
        "authorities": Named(_PATH, Each(_DIGEST)),
        "disks": Named(_PATH, Fields({"total_mib": _MIB, "free_mib": _MIB, "restrictions": Each(OneOf("ro", "noexec"), most=2)})),
        "kernel_features": Named(_IDENTIFIER, OneOf("present", "loadable", "missing")),
        "listeners": Each(_LISTENER, most=10_000),
        "time": Number(0, 1 << 40, whole=False),
    }
)
_JOBS = Fields({"unchanged": Named(_JOB, Fields({"asked": _DIGEST, "pki": Maybe(_PKI)}))})

_CHECKS = Fields({"checks": Each(Fields({"check": Line, "ok": Flag, "seconds": Number(0, 1 << 20, whole=False), "detail": Prose()}))})

_MEMBER = Fields(
    {
        "id": _CLUSTER_ID,
        "name": _SHORT,
        "peer_urls": Each(Line),
        "client_urls": Each(Line),
        "learner": Flag,
        "healthy": Flag,
        "problem": Prose(),
    },
    {"version": _IDENTIFIER, "db_size": Number(0, 1 << 62), "raft_term": Number(0, (1 << 64) - 1), "raft_index": Number(0, (1 << 64) - 1)},
)
_ETCD_CLUSTER = Fields(
    {
        "healthy": Flag,
        "quorum": Fields({"voters": Number(0, 1000), "healthy": Number(0, 1000), "needed": Number(0, 1000), "reached": Flag}),
        "cluster_id": _CLUSTER_ID,
        "leader": _SHORT,
        "members": Each(_MEMBER),
        "alarms": Each(Fields({"member": _SHORT, "alarm": _SHORT})),
        "problems": Named(Line, Prose()),
    }
)
_DATABASE = Fields({"name": _SHORT, "before_mib": Number(0, 1 << 40, whole=False), "after_mib": Number(0, 1 << 40, whole=False)})
_COUNTS = Named(_SHORT, Number(0, 1 << 40), most=10_000)
_BASE64 = Word("[A-Za-z0-9+/=]*", "base64")
_SNAPSHOT = Fields(
    {
        "size": Number(1, 16 << 30),  # twice the largest quota
        "sha256": _DIGEST,
        "member": Line,
        "leader": Flag,
        "etcd_version": _IDENTIFIER,
        "storage_version": _IDENTIFIER,
        "cluster_id": _CLUSTER_ID,
        "revision": Number(1, (1 << 63) - 1),
        "key_count": Number(0, 1 << 40),
        "objects": _COUNTS,
        "secrets": _COUNTS,
        "samples": Named(_SHORT, Fields({"key": Line, "value": _BASE64}), most=100),
        "authentication": Flag,
        "seconds": Number(0, 1 << 40, whole=False),
    }
)


def _etcd_snapshot(arguments: Values) -> Shape:
    phases = {"take": Fields({"snapshot": _SNAPSHOT}), "read": Fields({"content": _BASE64}), "remove": _NO_MORE}
    return phases[arguments.get("phase", "take")]


def _etcd_restore(arguments: Values) -> Shape:
    received = Fields({"received": Flag})
    phases: dict[str, Shape] = {
        "query": Fields({"living": Number(0, 1 << 62)}),
        "receive": received,
        "prepare": received,
        "append": Fields({"size": Number(1, 16 << 30)}),
        "verify": Fields({"compared": Flag}),
    }
    return phases.get(arguments.get("phase", ""), _NO_MORE)


def _job(arguments: Values) -> Fields:
    """Return the shape of the answer of job, which has more fields if the module only reads."""
    restart = {"restart": Each(_UNIT)}
    pki = arguments.get("pki")
    return Fields({**restart, "healthy": Flag, "pki": certificates(pki)} if pki and pki["phase"] == "read" else restart)


def _certificate_files(arguments: Values) -> Shape:
    return certificates(arguments) if arguments["phase"] == "read" else _NO_MORE


# The fields of each module's answer, given its arguments.
ANSWERS: dict[str, t.Callable[[Values], Shape]] = {
    "bundle_files": lambda arguments: Fields({"missing": Each(OneOf(*arguments["files"]), most=10_000)}),
    "certificate_files": _certificate_files,
    "etcd_auth": lambda _arguments: Fields({"cluster_id": _CLUSTER_ID}),
    "etcd_cluster_info": lambda _arguments: _ETCD_CLUSTER,
    "etcd_defragment": lambda _arguments: Fields({"databases": Each(_DATABASE, most=100), "alarms": Each(OneOf("NOSPACE"), most=1)}),
    "etcd_downgrade": lambda _arguments: Fields({"storage": Named(_SHORT, _IDENTIFIER, most=100)}),
    "etcd_encryption_info": lambda _arguments: Fields({"encrypted": Named(_SHORT, Number(0, 1 << 40))}),
    "etcd_key": lambda _arguments: Fields({"revision": Number(0, (1 << 63) - 1)}),
    "etcd_member": lambda _arguments: Fields({"steps": Each(Word("[a-z_]{1,32}", "a step")), "cluster_id": _CLUSTER_ID}),
    "etcd_restore": _etcd_restore,
    "etcd_snapshot": _etcd_snapshot,
    "flannel_lease": lambda _arguments: Fields({name: Named(_SHORT, _SHORT, most=10_000) for name in ("leases", "given")}),
    "host_facts": lambda _arguments: Fields({"ansible_facts": Fields({"cfcr_host": _HOST, "cfcr_jobs": _JOBS})}),
    "host_health": lambda _arguments: Fields({"health": _HEALTH}),
    "host_logs": lambda _arguments: Fields({"archive": Text(_MOST_CHARACTERS_OF["host_logs"]), "files": Each(_SHORT, most=10_000)}),
    "host_packages": lambda _arguments: Fields({"packages": Each(_PACKAGE, most=10_000), "reboot": Prose(300)}),
    "host_reboot": lambda _arguments: Fields({"boot_id": _BOOT}),
    "host_rollback": lambda _arguments: Fields(
        {"restored": Each(_PATH, most=10_000), "restarted": Each(_UNIT, most=100), "problems": Named(_UNIT, Prose())}, {"releases": _RELEASES}
    ),
    "host_watch": lambda _arguments: Fields({"problems": Named(_UNIT, Prose())}),
    "job": _job,
    "job_removal": lambda _arguments: Fields({"jobs": Each(_JOB, most=100)}),
    "overlay_neighbours": lambda _arguments: Fields({"hosts": Each(_SHORT, most=10_000)}),
    "release_download": lambda _arguments: Fields({"downloaded": Each(_SHORT, most=100)}),
    "unit_restart": lambda _arguments: Fields({"problems": Named(_UNIT, Prose())}),
    "unit_stop": lambda _arguments: Fields({"units": Each(_UNIT, most=100)}),
    "url_probe": lambda _arguments: _CHECKS,
}

# Fields that AnsibleModule adds. The collection does not read them.
_DROPPED = ("invocation", "deprecations", "exception")
_TREE = Named(Prose(), Tree(), most=10_000)
_MOST_SHOWN = 64 << 10


def _side(value: t.Any, where: str) -> dict[str, t.Any]:
    """Return one side of a diff. It is limited, since the time in which Ansible compares both sides grows faster than their size."""
    side = _TREE(value, where)
    size = len(json.dumps(side))
    return side if size <= _MOST_SHOWN else {"too large to show": f"{size} characters"}


_COMMON = Fields(
    {}, {"changed": Flag, "failed": Flag, "diff": Fields({"before": _side, "after": _side}), "warnings": Each(Prose(), most=100)}
)


def read(module: str, arguments: Values, text: str) -> dict[str, t.Any]:
    """Return the answer in the output of a module. Raise NoAnswer if there is none, InvalidAnswer if it has another shape."""
    _check_size(module, text, _BEGINNINGS, _MOST_VALUES, "values")
    begin = _BEGIN.search(text)
    try:
        answer, _end = json.JSONDecoder().raw_decode(text, begin.start() if begin else len(text))
    except (RecursionError, ValueError):
        raise NoAnswer("", text.strip() or "nothing", "the JSON of a module") from None
    return validated(module, arguments, answer)


def check_output(module: str, output: bytes) -> None:
    """Raise if an output is too large to be a text. Ansible splits it into lines, and even a short line takes fifty bytes."""
    _check_size(module, output, _LINE_ENDS, _MOST_LINES, "lines")


def _check_size(module: str, output: t.Any, marks: t.Iterable[t.Any], most_marks: int, parts: str) -> None:
    """Raise if an output is too long, or has too many parts, counted by their marks."""
    most = _MOST_CHARACTERS_OF.get(module, _MOST_CHARACTERS)
    if len(output) > most:
        raise InvalidAnswer("", f"{len(output)} {'bytes' if isinstance(output, bytes) else 'characters'}", f"{most} or fewer")
    if sum(map(output.count, marks)) > most_marks:
        raise InvalidAnswer("", f"too many {parts}", f"{most_marks} or fewer")


def validated(module: str, arguments: Values, answer: t.Any) -> dict[str, t.Any]:
    """Return the answer of a module as plain values. Raise if it has another shape."""
    if not isinstance(answer, dict):
        raise InvalidAnswer("", answer, "a mapping")
    rest = {key: value for key, value in answer.items() if key not in _DROPPED}
    if isinstance(rest.get("warnings"), list):
        rest["warnings"] = [_text_of_warning(warning) for warning in rest["warnings"]]
    common = _COMMON({key: rest.pop(key) for key in _COMMON.shapes if key in rest}, "")
    if common.get("failed"):
        return {**common, "msg": Prose(lines=True)(rest.get("msg", "failed"), "msg")}
    return {"changed": False, **common, **ANSWERS[module](arguments)(rest, "")}


def _text_of_warning(warning: t.Any) -> t.Any:
    """Return the text of a warning, which Ansible sends as an object."""
    event = warning.get("event") if isinstance(warning, dict) else None
    return event.get("msg") if isinstance(event, dict) else warning


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
