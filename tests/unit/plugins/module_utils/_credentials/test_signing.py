# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.authorities import get_authority, make_authority
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.signing import Terms, issue
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.keys import generate, parse
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.x509 import new_authority, new_private_key, now

TERMS = Terms(days=365, renew_before_days=60, key_type="ecdsa-p256", check_mode=False)
CHECK = TERMS._replace(check_mode=True)


@pytest.fixture
def store(tmp_path):
    store = local_store(tmp_path / "store")
    store.put("authorities/etcd", *make_authority("etcd", 3650, "ecdsa-p256", now()), version=0)
    return store


def entry(key_type="ecdsa-p256", certificate=None, **changes):
    wanted = {"authority": "etcd", "common_name": "a", "organizations": [], "alternative_names": [], "usages": ["client_auth"]}
    return {"path": "/a", **wanted, "public_key": parse(generate(key_type)).der, "certificate": certificate, **changes}


def ask(store, certificates, bundles, terms):
    """Request certificates; the first one of each authority also requests its CA bundle."""
    paths = {bundle["authority"]: bundle["path"] for bundle in bundles}
    wanted = [{**request, "authority_path": paths.pop(request["authority"], None)} for request in certificates]
    assert not paths
    return issue(store, wanted, {"certificates": certificates, "bundles": bundles}, terms)


def plan(store, request, terms=TERMS):
    return ask(store, [request], [], terms)["certificates"][0]


def test_a_valid_certificate_is_kept(store):
    request = entry()
    signed = plan(store, request)
    again = plan(store, {**request, "certificate": signed["certificate"]})
    assert (again["certificate"], again["reasons"], again["before"], again["after"]) == (None, [], signed["after"], signed["after"])


def test_check_mode_signs_nothing_and_predicts_the_result(store):
    request = entry()
    foretold, signed = plan(store, request, CHECK), plan(store, request)
    assert foretold["certificate"] is None
    assert {**foretold["after"], "not_after": ""} == {**signed["after"], "not_after": ""}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key_type": "rsa-2048"}, "/a: found a key of type rsa-2048, expected ecdsa-p256"),
        ({"public_key": None}, "/a: found no public key"),
        ({"public_key": "bm90aGluZw=="}, "not a public key"),
        ({"authority": "other"}, "has no CA other; found etcd"),
        ({"usages": ["cert_sign"]}, "usages: found cert_sign"),
    ],
)
def test_invalid_requests_are_refused(store, change, message):
    with pytest.raises(HostError, match=message):
        plan(store, entry(**change))


def test_check_mode_predicts_a_missing_authority(store):
    result = ask(store, [entry(authority="new", public_key=None)], [{"path": "/ca.crt", "authority": "new", "content": None}], CHECK)
    assert result["certificates"][0]["after"]["issuer"] == "new (new)"
    assert result["bundles"] == [{"path": "/ca.crt", "content": None, "before": [], "after": ["new (new)"], "changed": True}]


@pytest.fixture
def other_store(tmp_path):
    """The store of another cluster, whose authority has the same name and the same common name."""
    other = local_store(tmp_path / "other")
    other.put("authorities/etcd", *make_authority("etcd", 3650, "ecdsa-p256", now()), version=0)
    return other


@pytest.mark.parametrize("terms", [TERMS, CHECK])
@pytest.mark.parametrize("lost", [False, True])
def test_a_host_of_another_cluster_is_refused(store, other_store, tmp_path, terms, lost):
    """The other store is a second cluster's, or it was lost and recreated, or it has not been recreated yet."""
    request, bundle = entry(), {"path": "/ca.crt", "authority": "etcd", "content": get_authority(store, "etcd").bundle()}
    request["certificate"] = plan(store, request)["certificate"]
    asked = local_store(tmp_path / "nothing") if lost else other_store
    none = {**bundle, "content": None}
    for certificates, bundles, paths in (
        ([request], [bundle], "/ca.crt, /a.crt"),
        ([entry()], [bundle], "/ca.crt"),
        ([request], [none], "/a.crt"),
        ([request], [], "/a.crt"),
    ):
        with pytest.raises(HostError, match=rf"^{paths}: found CAs that are not in the store {asked}.*cluster_store_\\*"):
            ask(asked, certificates, bundles, terms)


def test_damaged_files_are_replaced(store, other_store):
    request, bundle = entry(certificate="half of a certificate"), {"path": "/ca.crt", "authority": "etcd", "content": "-----BEGIN CERTIFICATE-----\nx"}
    assert ask(other_store, [request], [bundle], TERMS)["bundles"][0]["content"] == get_authority(other_store, "etcd").bundle()


def test_a_certificate_of_another_authority_in_the_store_is_replaced(store, other_store):
    store.put("authorities/kubernetes", *make_authority("kubernetes", 3650, "ecdsa-p256", now()), version=0)
    request, bundle = entry(), {"path": "/ca.crt", "authority": "kubernetes", "content": get_authority(store, "etcd").bundle()}
    request["certificate"] = plan(store, request)["certificate"]
    answer = ask(store, [{**request, "authority": "kubernetes"}], [bundle], TERMS)
    assert answer["certificates"][0]["reasons"] == ["another CA"]
    assert answer["bundles"][0]["content"] == get_authority(store, "kubernetes").bundle()


def test_a_host_with_one_known_authority_is_accepted(store, other_store):
    """A host that missed the last phase of a replacement still has the old certificate and both authorities."""
    request = entry()
    request["certificate"] = plan(store, request)["certificate"]
    both = get_authority(store, "etcd").bundle() + get_authority(other_store, "etcd").bundle()
    answer = ask(other_store, [request], [{"path": "/ca.crt", "authority": "etcd", "content": both}], TERMS)
    assert answer["certificates"][0]["reasons"] == ["another CA"]
    assert answer["bundles"][0]["content"] == get_authority(other_store, "etcd").bundle()


def test_an_authority_is_replaced_in_three_phases(store):
    """Trust both; sign with the new one; trust only the new one."""
    request, bundle = entry(), {"path": "/ca.crt", "authority": "etcd", "content": None}
    certificate = plan(store, request)["certificate"]
    record = store.get("authorities/etcd")
    keys = [*record.secret()["private_keys"], new_private_key("ecdsa-p256")]
    certificates = [*record.public["certificates"], new_authority("etcd", 3650, keys[1], now())]

    def phase(version, chosen, signing):
        secret = {"private_keys": [keys[index] for index in chosen]}
        store.put(
            "authorities/etcd", {"certificates": [certificates[index] for index in chosen], "signing": signing}, secret, version=version
        )
        result = ask(store, [{**request, "certificate": certificate}], [bundle], TERMS)
        return result["certificates"][0], result["bundles"][0]["content"]

    leaf, trusted = phase(1, (0, 1), 0)
    assert (leaf["reasons"], trusted) == ([], "".join(certificates))
    leaf, trusted = phase(2, (0, 1), 1)
    assert (leaf["reasons"], trusted) == (["another CA"], "".join(certificates))
    certificate = leaf["certificate"]
    leaf, trusted = phase(3, (1,), 0)
    assert (leaf["reasons"], trusted) == ([], certificates[1])
    assert get_authority(store, "etcd").bundle() == certificates[1]


@pytest.mark.parametrize("kind", ["certificates", "bundles"])
def test_a_missing_path_in_the_answer_of_the_host_is_an_error(store, kind):
    wanted = {**entry(), "authority_path": "/ca.crt"}
    actual = {"certificates": [wanted], "bundles": [{"path": "/ca.crt", "content": None}]}
    with pytest.raises(HostError, match="the host sent no entry for it; found none"):
        issue(store, [wanted], {**actual, kind: []}, TERMS)


def test_names_sent_by_the_host_are_ignored(store):
    wanted = entry()
    actual = {"certificates": [{**wanted, "common_name": "admin", "organizations": ["system:masters"], "authority": "other"}], "bundles": []}
    after = issue(store, [{**wanted, "authority_path": None}], actual, TERMS)["certificates"][0]["after"]
    assert (after["common_name"], after["organizations"]) == ("a", [])
