# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of the store in each phase of a rotation, and the conditions for the next phase."""

from __future__ import annotations

import datetime

import pytest
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials import rotation
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.authorities import get_authority, make_authority
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.credential_list import keep_credentials
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.rotation import advanced, begun, rotate, verdict, withdrawn
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.certificate import Names, seconds
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.x509 import new_private_key, now, public_half, read_public_key, sign

ETCD = {"name": "etcd", "common_name": "etcd", "days": 100, "key_type": "ecdsa-p256"}
CREDENTIAL = {name: option.get("default") for name, option in rotation.CREDENTIALS["options"].items()}
PASSWORD = {**CREDENTIAL, "name": "etcd-root", "type": "password"}
KEY = {**CREDENTIAL, "name": "encryption-at-rest", "type": "key"}
RSA = {**CREDENTIAL, "name": "service-account", "type": "rsa"}


@pytest.fixture
def store(tmp_path):
    store = local_store(tmp_path / "store", passphrase="a passphrase")
    store.put("authorities/etcd", *make_authority("etcd", 100, "ecdsa-p256", now()), version=0)
    keep_credentials(store, {"credentials": [PASSWORD, KEY, RSA]}, check_mode=False)
    return store


@pytest.fixture
def step(store):
    """Return a function that starts or advances rotations and returns their phases."""

    def run(state="advanced", check=False, until="drop", minutes=None, **lists):
        lists = lists or {"authorities": [ETCD], "credentials": [PASSWORD, KEY, RSA]}
        options = {"state": state, "until": until, "minutes_in_phase": minutes or {}, "authorities": [], "credentials": [], **lists}
        return {item["name"]: item["waits"] or item["phase"] for item in rotate(store, options, check)["rotations"]}

    return run


def test_an_authority_is_trusted_before_it_signs_and_replaces_the_old_one():
    old, new = ({"certificates": ["A"], "signing": 0}, {"private_keys": ["a"]}), ({"certificates": ["B"], "signing": 0}, {"private_keys": ["b"]})
    trust = begun(old, new)
    assert trust == ({"certificates": ["A", "B"], "signing": 0, "rotation": "trust"}, {"private_keys": ["a", "b"]})
    use = advanced(trust)
    assert use == ({"certificates": ["A", "B"], "signing": 1, "rotation": "use"}, {"private_keys": ["a", "b"]})
    drop = advanced(use)
    assert drop == ({"certificates": ["B"], "signing": 0, "rotation": "drop"}, {"private_keys": ["b"]})
    assert advanced(drop) == new


def test_old_and_new_key_swap_places_and_keep_their_generations():
    trust = begun(({"type": "key"}, {"key": "A"}), ({}, {"key": "B"}))
    assert trust == ({"type": "key", "rotation": "trust"}, {"key": "A", "others": [{"key": "B", "number": 2}]})
    use = advanced(trust)
    assert use == ({"type": "key", "rotation": "use", "number": 2}, {"key": "B", "others": [{"key": "A", "number": 1}]})
    over = advanced(advanced(use))
    assert over == ({"type": "key", "number": 2}, {"key": "B"})
    assert begun(over, ({}, {"key": "C"}))[1]["others"] == [{"key": "C", "number": 3}]


def test_both_halves_of_a_key_pair_are_rotated():
    trust = begun(({"type": "rsa", "public_key": "A"}, {"private_key": "a"}), ({"public_key": "B"}, {"private_key": "b"}))
    assert advanced(trust) == (
        {"type": "rsa", "rotation": "use", "public_key": "B", "number": 2},
        {"private_key": "b", "others": [{"private_key": "a", "public_key": "A", "number": 1}]},
    )


def test_a_password_rotation_starts_in_phase_use():
    public, secret = begun(({"type": "password"}, {"password": "A"}), ({}, {"password": "B"}))
    assert (public["rotation"], secret["password"], secret["others"][0]["password"]) == ("use", "B", "A")


@pytest.mark.parametrize(
    "old, new",
    [
        (({"certificates": ["A"], "signing": 0}, {"private_keys": ["a"]}), ({"certificates": ["B"], "signing": 0}, {"private_keys": ["b"]})),
        (({"type": "key", "number": 2}, {"key": "A"}), ({}, {"key": "B"})),
        (({"type": "rsa", "public_key": "A"}, {"private_key": "a"}), ({"public_key": "B"}, {"private_key": "b"})),
    ],
)
def test_a_rotation_in_phase_trust_can_be_withdrawn(old, new):
    back = withdrawn(begun(old, new))
    assert back == ({**old[0], "rotation": "drop"}, old[1])
    assert advanced(back) == old


@pytest.mark.parametrize(
    "phase, until, minutes, why",
    [
        ("trust", "drop", 0, ""),
        ("trust", "trust", 0, "until is trust, it does not advance further"),
        ("use", "trust", 0, "until is trust, it does not advance further"),
        ("trust", "use", 0, ""),
        ("trust", "drop", 15, "it stays for another 15 minutes, until 2026-11-21T09:15:00Z"),
        ("use", "drop", 1380, "it stays for another 23.0 hours, until 2026-11-22T08:00:00Z"),
        ("use", "drop", -1, ""),
        ("drop", "drop", 0, ""),
    ],
)
def test_the_reason_for_staying_in_a_phase(phase, until, minutes, why):
    moment = datetime.datetime(2026, 11, 21, 9, tzinfo=datetime.timezone.utc)
    assert verdict(phase, until, moment, moment + datetime.timedelta(minutes=minutes)) == why


def test_all_rotations_advance_together(step, store):
    assert step("query") == {"etcd": "", "etcd-root": "", "encryption-at-rest": "", "service-account": ""}
    first = {"etcd": "trust", "etcd-root": "use", "encryption-at-rest": "trust", "service-account": "trust"}
    assert step("begun", check=True) == first
    assert step("query")["etcd"] == ""
    assert step("begun") == first
    assert step("begun") == first, "what has begun does not begin again"
    assert step() == {"etcd": "use", "etcd-root": "drop", "encryption-at-rest": "use", "service-account": "use"}
    minutes = {"service-account": {"trust": 60, "use": 1440}}
    held = step(minutes=minutes)
    assert held.pop("service-account").startswith("it stays for another 24.0 hours, until ")
    assert held == {"etcd": "drop", "etcd-root": "", "encryption-at-rest": "drop"}
    assert {name: phase for name, phase in step(minutes=minutes).items() if name != "service-account"} == dict.fromkeys(held, "")
    waits = "it starts after the rotation of service-account"
    assert step("begun") == {"etcd": waits, "etcd-root": waits, "encryption-at-rest": waits, "service-account": "use"}, "a finished one does not start again"
    assert step()["service-account"] == "drop"
    assert step()["service-account"] == ""
    assert [store.get(f"credentials/{name}").public["number"] for name in ("etcd-root", "encryption-at-rest", "service-account")] == [2, 2, 2]


@pytest.fixture
def pass_minutes(monkeypatch):
    """Return a function that advances the clock."""
    return lambda minutes: monkeypatch.setattr(rotation, "now", lambda then=rotation.now(): then + datetime.timedelta(minutes=minutes))


def test_a_phase_starts_when_all_hosts_have_reached_it(step, store, pass_minutes):
    """If a run fails in phase use, the masters do not use the new key until a later run configures them."""
    options = {"credentials": [RSA], "minutes": {"service-account": {"use": 1440}}}
    step("begun", credentials=[RSA])
    assert step(**options) == {"service-account": "use"}
    pass_minutes(1500)
    assert step(check=True, **options) == step(**options)
    assert step(**options)["service-account"].startswith("it stays for another 24.0 hours")
    pass_minutes(1320)
    assert step(**options)["service-account"].startswith("it stays for another 2.0 hours")
    pass_minutes(180)
    assert step(**options) == {"service-account": "drop"}
    assert step(**options) == {"service-account": ""}
    assert store.get("credentials/service-account").public.keys() == {"type", "public_key", "number"}


def test_phase_trust_includes_the_time_since_it_started(step, store, pass_minutes):
    options = {"authorities": [ETCD], "minutes": {"etcd": {"trust": 15}}}
    step("begun", authorities=[ETCD])
    assert step(until="trust", **options) == {"etcd": "until is trust, it does not advance further"}
    pass_minutes(10)
    assert step(**options)["etcd"].startswith("it stays for another 5 minutes")
    pass_minutes(5)
    assert [step(**options)["etcd"] for _phase in range(3)] == ["use", "drop", ""]
    assert store.get("authorities/etcd").public.keys() == {"certificates", "signing"}


def test_a_rotation_is_withdrawn_on_all_hosts(step, store):
    before = store.get("authorities/etcd")
    step("begun", authorities=[ETCD], credentials=[KEY])
    step(minutes={"etcd": {"trust": 15}}, authorities=[ETCD])
    assert step("withdrawn", authorities=[ETCD], credentials=[KEY, RSA]) == {
        "etcd": "drop", "encryption-at-rest": "drop", "service-account": "it is not being rotated"
    }
    assert step("withdrawn", authorities=[ETCD]) == {"etcd": "drop"}, "an interrupted withdrawal continues"
    assert step(authorities=[ETCD]) == {"etcd": ""}
    assert (store.get("authorities/etcd").public, store.get("authorities/etcd").secret()) == (before.public, before.secret())


def test_a_rotation_in_phase_use_cannot_be_withdrawn(step, store):
    step("begun")
    with pytest.raises(HostError, match="credential etcd-root: found phase use, expected phase trust"):
        step("withdrawn")
    assert store.get("authorities/etcd").public["rotation"] == "trust", "no other rotation is withdrawn"


def test_roles_get_both_keys_during_a_rotation(step, store):
    def given():
        return keep_credentials(store, {"credentials": [KEY, RSA]}, check_mode=False)["credentials"]

    before = given()
    step("begun")
    trusting = given()
    assert trusting["encryption-at-rest"]["key"] == before["encryption-at-rest"]["key"]
    assert trusting["service-account"]["private_key"] == before["service-account"]["private_key"]
    step()
    using = given()
    assert using["encryption-at-rest"]["others"] == [{**before["encryption-at-rest"], "generation": 1}]
    assert using["encryption-at-rest"]["key"] == trusting["encryption-at-rest"]["others"][0]["key"]
    assert using["service-account"]["others"][0]["public_key"] == before["service-account"]["public_key"]
    step()
    assert given()["encryption-at-rest"] == {"key": using["encryption-at-rest"]["key"], "generation": 2}


def test_a_value_cannot_be_set_during_its_rotation(step, store):
    step("begun")
    with pytest.raises(HostError, match="it is being rotated; finish the rotation first"):
        keep_credentials(store, {"credentials": [{**PASSWORD, "value": "another password"}]}, check_mode=False)


def test_certificates_of_the_old_authority_are_valid_until_it_is_dropped(step, store):
    leaf = sign(
        Names("admin", (), (), ("client_auth",)),
        read_public_key(public_half(new_private_key("ecdsa-p256"))),
        10,
        get_authority(store, "etcd"),
        store.get("authorities/etcd").secret()["private_keys"][0],
        now(),
    )
    step("begun")
    step()
    assert get_authority(store, "etcd").has_signed(leaf)
    step()
    assert not get_authority(store, "etcd").has_signed(leaf)


def test_missing_records_and_other_types_are_refused(step, store):
    with pytest.raises(HostError, match="authority front-proxy: not found in the store .*, nothing to rotate"):
        step("begun", authorities=[{**ETCD, "name": "front-proxy"}])
    store.put("credentials/hosts", {"type": "ssh", "public_key": ""}, {"private_key": ""}, version=0)
    with pytest.raises(HostError, match="credential hosts: found type ssh, expected one that can be rotated: key, password, rsa"):
        step("begun", credentials=[{**CREDENTIAL, "name": "hosts", "type": "ssh"}])
    with pytest.raises(HostError, match="credential etcd-root: found type password in the store .*, expected key"):
        step("begun", credentials=[{**KEY, "name": "etcd-root"}])


def test_timestamps_are_parsed():
    assert seconds("") == 0
    assert seconds("2026-11-21T09:00:00Z") == datetime.datetime(2026, 11, 21, 9, tzinfo=datetime.timezone.utc).timestamp()
    with pytest.raises(HostError, match="since: found 'yesterday', expected a time in UTC"):
        seconds("yesterday")


def test_a_stored_certificate_older_than_since_is_reissued(store):
    def keep(since):
        entry = {**CREDENTIAL, "name": "admin", "type": "certificate", "authority": "etcd", "common_name": "admin", "days": 50, "renew_before_days": 1}
        return keep_credentials(store, {"credentials": [{**entry, "since": since}]}, check_mode=False)["changed"]

    assert [keep(""), keep(""), keep("2026-01-01T00:00:00Z"), keep("2999-01-01T00:00:00Z")] == [True, False, False, True]
    with pytest.raises(HostError, match="since: found 'yesterday', expected a time in UTC"):
        keep("yesterday")
