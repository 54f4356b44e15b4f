"""Five of GitLab's permissions moved between tiers: a preview says just what the table says."""

import csv
from collections.abc import Iterator
from typing import Final

import pytest

from authz_service.gen.authz.v1 import changeset_pb2, effect_pb2, member_pb2, tenant_pb2, tier_pb2
from tests.changesets import puts
from tests.rpc.harness import Server, serving
from tests.rpc.test_gitlab_matrix import FILE, ROLES, TIERS, apply, batch_answers, decided

CUSTOMERS: Final = {
    "free": ("acme", "beta"),
    "premium": ("gamma", "delta", "epsilon"),
    "ultimate": ("omega",),
}
MOVES: Final = (("ultimate", "premium", 2), ("premium", "free", 2), ("free", "ultimate", 1))
"""From which tier to which, and how many permissions: five."""


def table() -> dict[str, dict[str, str]]:
    """Read the table, by permission, by nothing that the service reads it by."""
    with FILE.open(newline="") as file:
        return {
            f"{row['scope']}.{row['resource']}:{row['action']}": row for row in csv.DictReader(file)
        }


def moved() -> dict[str, tuple[str, str]]:
    """Choose the permissions: the first of each tier that some role, but not each, may do."""
    found: dict[str, tuple[str, str]] = {}
    for old, new, count in MOVES:
        names = [
            name
            for name, row in sorted(table().items())
            if row["tier"] == old and {"yes", "no"} <= {row[role] for role in ROLES}
        ]
        found |= dict.fromkeys(names[:count], (old, new))
    return found


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("gitlab-plan")) as server:
        apply(server)
        members = [member_pb2.NewMember(subject=f"user:{r}", roles=[r]) for r in ROLES]
        for tier, tenants in CUSTOMERS.items():
            for tenant in (f"on-{tier}", *tenants):
                request = tenant_pb2.OnboardTenantRequest(tenant=tenant, tier=tier, members=members)
                server.operator.tenants.OnboardTenant(request)
        yield server


def changes(server: Server) -> changeset_pb2.Changeset:
    """Write the three tiers anew, the five permissions in their new places."""
    tiers = {
        each.id: each
        for each in server.operator.tiers.ListTiers(tier_pb2.ListTiersRequest()).tiers
        if each.id in TIERS
    }
    for name, (old, new) in moved().items():
        tiers[old].permissions.remove(name)
        tiers[new].permissions.append(name)
    return puts(tiers=tiers.values())


def held(tier: str, needed: str) -> bool:
    return TIERS.index(tier) >= TIERS.index(needed)


def expected() -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """Tell from the table which members gain and lose what: (tenant, subject, permission)."""
    gained, lost = set(), set()
    for name, (old, new) in moved().items():
        for tier, tenants in CUSTOMERS.items():
            people = {
                (tenant, f"user:{role}", name)
                for tenant in (f"on-{tier}", *tenants)
                for role in ROLES
                if table()[name][role] == "yes"
            }
            if held(tier, new) and not held(tier, old):
                gained |= people
            if held(tier, old) and not held(tier, new):
                lost |= people
    return gained, lost


def all_affected(
    server: Server, changeset: changeset_pb2.Changeset
) -> list[effect_pb2.ChangesetEffect]:
    found: list[effect_pb2.ChangesetEffect] = []
    request = changeset_pb2.ListChangesetEffectsRequest(changeset=changeset, page_size=10)
    while True:
        page = server.operator.changesets.ListChangesetEffects(request)
        found += page.effects
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


def test_five_permissions_are_moved() -> None:
    assert len(moved()) == 5
    gained, lost = expected()
    assert gained
    assert lost


def test_preview_names_the_tenants_and_users_of_the_table(gitlab: Server) -> None:
    found = all_affected(gitlab, changes(gitlab))
    told = {
        side: {
            (each.tenant, each.subject, reach.permission)
            for each in found
            if each.subject
            for reach in getattr(each, side)
        }
        for side in ("gained", "lost")
    }
    assert (told["gained"], told["lost"]) == expected()


def test_preview_counts_as_the_table_does(gitlab: Server) -> None:
    request = changeset_pb2.PreviewChangesetRequest(changeset=changes(gitlab))
    effect = gitlab.operator.changesets.PreviewChangeset(request).preview.effect
    gained, lost = expected()
    assert {each.permission for each in effect.permissions} == set(moved())
    for each in effect.permissions:
        for side, people in ((each.gained, gained), (each.lost, lost)):
            mine = {(t, s) for t, s, name in people if name == each.permission}
            assert side.subjects == len(mine)
            assert side.subject_tenants == len({tenant for tenant, _ in mine})
    assert effect.subjects_gaining == len({(t, s) for t, s, _ in gained})
    assert effect.subjects_losing == len({(t, s) for t, s, _ in lost})


def test_entitled_tenants_are_those_of_the_tiers_between(gitlab: Server) -> None:
    request = changeset_pb2.PreviewChangesetRequest(changeset=changes(gitlab))
    effect = gitlab.operator.changesets.PreviewChangeset(request).preview.effect
    for each in effect.permissions:
        old, new = moved()[each.permission]
        between = [t for t in TIERS if held(t, new) != held(t, old)]
        tenants = sum(1 + len(CUSTOMERS[tier]) for tier in between)
        side = each.gained if TIERS.index(new) < TIERS.index(old) else each.lost
        assert side.entitled_tenants == tenants


def test_every_cell_is_answered_as_the_moved_table_says(gitlab: Server) -> None:
    """Stands last: it applies the change."""
    wanted = changes(gitlab)
    seen = gitlab.operator.changesets.PreviewChangeset(
        changeset_pb2.PreviewChangesetRequest(changeset=wanted)
    )
    cells = decided()
    before = batch_answers(gitlab, cells)
    request = changeset_pb2.ApplyChangesetRequest(
        changeset=wanted, fingerprint=seen.fingerprint, reason="sales"
    )
    assert len(gitlab.operator.changesets.ApplyChangeset(request).objects) == 3
    after = batch_answers(gitlab, cells)
    gained, lost = expected()
    for cell, was, now in zip(cells, before, after, strict=True):
        who = (f"on-{cell.tier}", f"user:{cell.role}", cell.permission)
        assert (who in gained, who in lost) == (now and not was, was and not now), cell
