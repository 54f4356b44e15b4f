"""An index grown delta by delta is the index of its facts, and leaves the earlier ones alone."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.engine.builder import apply, build
from authz_service.engine.decide import decide
from authz_service.engine.index import Index, TenantEntry
from tests.differential.compare import CHUNKS, indexes, seeds
from tests.differential.worlds import rounds, world


def described(index: Index) -> dict[str, Any]:
    """Write all that an index holds, bits as the names of what exists.

    A bit that a removed role or plan left behind stands for nothing.
    """

    def roles(bits: int) -> set[str]:
        return _named(bits, index.role_bits, index.roles)

    def plans(bits: int) -> set[str]:
        return _named(bits, index.plan_bits, index.plans)

    return {
        "revision": index.revision,
        "permissions": {
            name: (entry.fact, entry.internal, roles(entry.roles), plans(entry.plans))
            for name, entry in index.permissions.items()
        },
        "roles": {n: (r.fact, roles(r.bits), r.permissions) for n, r in index.roles.items()},
        "plans": dict(index.plans),
        "keys": dict(index.keys),
        "identities": dict(index.identities),
        "endpoints": dict(index.endpoints),
        "scheduled": dict(index.scheduled),
        "tenants": {
            name: _tenant(index, entry)
            | {"plans": plans(entry.plans)}
            | {
                "own": {
                    n: (r.fact, roles(r.bits), r.permissions) for n, r in entry.own_roles.items()
                }
            }
            for name, entry in index.tenants.items()
        },
    }


def _tenant(index: Index, entry: TenantEntry) -> dict[str, Any]:
    tenant = entry.fact.id
    return {
        "fact": entry.fact,
        "open": entry.always_open,
        "invitations": dict(entry.invitations),
        "exceptions": set(entry.exceptions),
        "denials": {name: set(found) for name, found in entry.denials.items()},
        "entitling": {name: set(found) for name, found in entry.entitling.items()},
        "replacements": set(entry.replacements),
        "size": entry.members.size,
        "members": {
            subject: (index.member(tenant, subject), sorted(index.grants(tenant, subject)))
            for subject, _ in entry.members.items()
        },
    }


def _named(bits: int, names: Mapping[str, int], existing: Iterable[str]) -> set[str]:
    return {name for name in existing if names[name] & bits}


def loading_order(fact: Fact) -> int:
    """Sort facts as `build` wants them."""
    match fact:
        case Permission() | Role(tenant="") | Plan() | ApiKey():
            return 0
        case Tenant():
            return 1
        case Role() | Membership():
            return 2
    return 3


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_index_grown_delta_by_delta_equals_one_built_from_the_facts(chunk: int) -> None:
    for seed in seeds(chunk):
        made = world(seed)
        for grown in indexes(made)[1:]:
            facts = sorted(made.facts_at(grown.revision), key=loading_order)
            fresh = build(facts, grown.revision)
            assert described(grown) == described(fresh), f"{seed=}, revision {grown.revision}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_index_grown_and_index_built_decide_alike(chunk: int) -> None:
    for seed in seeds(chunk):
        made = world(seed)
        grown = indexes(made)
        for drawn in rounds(made):
            fresh = build(sorted(drawn.facts, key=loading_order), drawn.revision)
            for asked in drawn.questions:
                answers = [
                    decide(index, asked, drawn.at) for index in (grown[drawn.revision], fresh)
                ]
                assert answers[0] == answers[1], f"{seed=}, {drawn.at=}, {asked}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_later_deltas_leave_earlier_indexes_as_they_were(chunk: int) -> None:
    for seed in seeds(chunk):
        versions = [Index.empty()]
        then = [described(versions[0])]
        for delta in world(seed).deltas:
            versions.append(apply(versions[-1], delta))
            then.append(described(versions[-1]))
        for version, as_it_was in zip(versions, then, strict=True):
            assert described(version) == as_it_was, f"{seed=}, revision {version.revision}"
