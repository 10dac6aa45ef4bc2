# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that an intruder with root on a host may put in place of Python. It runs modules, and changes their answers.

File `lie` in its directory names the lie, and file `python` the real Python. Tests add the first line with the interpreter when they install it.
"""

from __future__ import annotations

import base64
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import time
import typing as t

PLACE = pathlib.Path(__file__).resolve().parent
INTRUDER = {
    "common_name": "intruder",
    "organizations": ["system:masters"],
    "alternative_names": ["evil.example.com"],
    "usages": ["server_auth", "client_auth"],
    "authority": "etcd",
}
VARIABLES = {
    "cluster_director": "worker-0",
    "cluster_host_address": "10.99.99.99', os.execute('touch /root/owned'), '",
    "cluster_store_passphrase": "mine",
    "ansible_connection": "local",
    "ansible_host": "127.0.0.1",
    "ansible_become": False,
}

Answer = dict[str, t.Any]


def _lists(answer: Answer) -> t.Iterator[list[Answer]]:
    """Yield every list of certificates in an answer."""
    places = [answer, answer.get("pki"), *(job.get("pki") for job in _jobs(answer).values())]
    for place in places:
        if isinstance(place, dict) and isinstance(place.get("certificates"), list):
            yield place["certificates"]


def _jobs(answer: Answer) -> Answer:
    return answer.get("ansible_facts", {}).get("cfcr_jobs", {}).get("unchanged", {})


def names(answer: Answer) -> None:
    """Ask for certificates with other names, another CA and other usages."""
    for entries in _lists(answer):
        for entry in entries:
            entry.update(INTRUDER)


def later(answer: Answer) -> None:
    """Tell the truth until the certificates are signed."""
    if isinstance(answer.get("pki"), dict):
        names({"pki": answer["pki"]})


def more(answer: Answer) -> None:
    """Ask for one more certificate."""
    for entries in _lists(answer):
        entries.append({**entries[0], "path": "/etc/kubernetes/pki/admin", **INTRUDER})


def twice(answer: Answer) -> None:
    """Ask for the first certificate twice."""
    for entries in _lists(answer):
        entries.append(entries[0])


def fewer(answer: Answer) -> None:
    """Leave a certificate out."""
    for entries in _lists(answer):
        del entries[0]


def paths(answer: Answer) -> None:
    """Have a certificate written to another path."""
    for entries in _lists(answer):
        entries[0]["path"] = "/root/.ssh/authorized_keys"


def facts(answer: Answer) -> None:
    """Set variables of this host that the configuration of other hosts uses."""
    answer.setdefault("ansible_facts", {}).update(VARIABLES)


def commands(answer: Answer) -> None:
    """Return keys that only Ansible's own actions may return."""
    answer.update(
        add_host={"host_name": "worker-0", "groups": ["director", "etcd"], "host_vars": VARIABLES},
        add_group="director",
        ansible_stats={"data": {"x": 1}, "per_host": False, "aggregate": True},
        _ansible_notify=["Restart etcd"],
        _ansible_facts_cacheable=True,
    )


def types(answer: Answer) -> None:
    """Change the type of every value."""
    for key, value in answer.items():
        if isinstance(value, dict):
            types(value)
        else:
            answer[key] = {"x": None} if isinstance(value, (str, list)) else [[]]


def numbers(answer: Answer) -> None:
    """Return numbers that break calculations: 0 and NaN."""
    for key, value in answer.items():
        if isinstance(value, dict):
            numbers(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            answer[key] = 0 if "total" in key else float("nan")


def large(answer: Answer) -> None:
    """Return 50 MiB."""
    answer["msg"] = "x" * (50 << 20)


def archive(answer: Answer) -> None:
    """Return an archive of logs with another path, a setuid file and a symbolic link."""
    if "archive" not in answer:
        return
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as target:
        member = tarfile.TarInfo("journal/x.log")
        member.pax_headers = {"path": "../../../../root/.ssh/authorized_keys"}
        member.mode, member.size = 0o4755, 1
        target.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("journal/y.log")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        target.addfile(link)
    answer["archive"] = base64.b64encode(packed.getvalue()).decode()


CHANGES = {lie.__name__: lie for lie in (names, later, more, twice, fewer, paths, facts, commands, types, numbers, large, archive)}
TEXTS = {
    "nothing": "",
    "prose": "I am fine, thank you",
    "half": '{"changed": false, "ansible_facts": {"cfcr_host": {"user": "ro',
    "deep": '{"a":' * 100_000,
    "list": "[1, 2, 3]",
    "long": '{"a": 1' + "0" * 100_000 + "}",
    "tags": '{"msg": {"__ansible_type": "TrustedAsTemplate", "value": "{{ lookup(\'pipe\', \'id\') }}"}, "failed": true}',
}

_ANSWER = json.dumps({"changed": True, "checks": [], "ansible_facts": VARIABLES, "health": {"time": 1.0, "jobs": 5}})
# Answers that only Ansible's own parser accepts. The program prints them with exit code 1, as a module that crashed does.
CRASHES = {"crash_space": f" {_ANSWER}", "crash_control": _ANSWER.replace("mine", "mi\x01ne", 1)}


def main() -> int:
    lie = (PLACE / "lie").read_text(encoding="utf-8").strip()
    done = subprocess.run([(PLACE / "python").read_text(encoding="utf-8").strip(), *sys.argv[1:]], stdout=subprocess.PIPE, check=False)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not {"changed", "failed"} & set(answer):  # not the answer of a module
        sys.stdout.buffer.write(done.stdout)
    elif lie == "silence":
        parent = os.getppid()
        while os.getppid() == parent:  # until its parent process ends
            time.sleep(0.2)
    elif lie == "endless":
        while True:
            os.write(1, b"x" * 65536)
    elif lie in TEXTS:
        print(TEXTS[lie])
    elif lie in CRASHES:
        print(CRASHES[lie])
        return 1
    else:
        CHANGES[lie](answer)
        print(json.dumps(answer))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
