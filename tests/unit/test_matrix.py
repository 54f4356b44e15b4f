"""A CSV of permissions x roles x lowest tier, read as a policy."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from authz_service.domain.catalog import Permission, Plan, Role, chain
from authz_service.domain.policy_set import PolicySet
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.policyfiles import policy_files
from authz_service.policyfiles.matrix.matrix import read_matrix
from authz_service.policyfiles.problem import MAX_BYTES, PolicyFileError

GITLAB = Path(__file__).parents[2] / "policies" / "examples" / "gitlab" / "permissions.csv"
GITLAB_TIERS = ("free", "premium", "ultimate")

SMALL = """\
scope,resource,action,guest,owner,note,tier
project,issue,view,yes,yes,,free
project,issue,create,conditional,yes,guest=1,free
group,epic,create,no,yes,,premium
"""


@pytest.fixture(scope="module")
def gitlab() -> PolicySet:
    return read_matrix(GITLAB.read_text(encoding="utf-8"), GITLAB_TIERS).policy


def places(text: str, tiers: tuple[str, ...] = ("free", "premium")) -> list[tuple[int, str]]:
    with pytest.raises(PolicyFileError) as raised:
        read_matrix(text, tiers, "access.csv")
    assert raised.value.reason == ErrorReason.INVALID_FIELD
    assert {p.file for p in raised.value.problems} == {"access.csv"}
    return [(p.line, p.field) for p in raised.value.problems]


def policy_of(text: str, *tiers: str) -> PolicySet:
    return read_matrix(text, tiers or ("free", "premium")).policy


def test_a_matrix_is_read_as_it_stands() -> None:
    roles = frozenset({"guest", "owner"})
    view, create, epic = "project.issue:view", "project.issue:create", "group.epic:create"
    assert read_matrix(SMALL, ("free", "premium")).policy == PolicySet(
        (Permission(view), Permission(create), Permission(epic)),
        (Role("guest", frozenset({view})), Role("owner", frozenset({view, create, epic}))),
        (
            Plan("tier/free", permissions=frozenset({view, create}), assignable_roles=roles),
            Plan(
                "tier/premium",
                extends="tier/free",
                permissions=frozenset({epic}),
                assignable_roles=roles,
            ),
        ),
    )


def test_every_gitlab_cell_is_answered_as_published(gitlab: PolicySet) -> None:
    plans = {tier.id: tier for tier in gitlab.tiers}
    answers: Counter[str] = Counter()
    with GITLAB.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        permission = f"{row['scope']}.{row['resource']}:{row['action']}"
        for rank, tier in enumerate(GITLAB_TIERS):
            sold = any(permission in plan.permissions for plan in chain(plans, f"tier/{tier}"))
            assert sold == (rank >= GITLAB_TIERS.index(row["tier"]))
            for role in gitlab.roles:
                assert (permission in role.permissions) == (row[role.id] == "yes")
                allowed = "allow" if row[role.id] == "yes" and sold else "deny"
                answers["conditional" if row[role.id] == "conditional" else allowed] += 1
    assert len(gitlab.permissions) == 228
    assert answers == {"allow": 1611, "deny": 1554, "conditional": 255}


def test_gitlab_roles_and_tiers_keep_their_order_and_include_nothing(gitlab: PolicySet) -> None:
    names = ["guest", "reporter", "developer", "maintainer", "owner"]
    assert [role.id for role in gitlab.roles] == names
    assert not any(role.includes for role in gitlab.roles)
    assert [tier.extends for tier in gitlab.tiers] == ["", "tier/free", "tier/premium"]
    assert all(tier.assignable_roles == set(names) for tier in gitlab.tiers)


def test_gitlab_can_be_written_as_policy_files(gitlab: PolicySet) -> None:
    assert policy_files.read(policy_files.write(gitlab)) == gitlab


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + SMALL,
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("\n", "\n\n"),
        SMALL.rstrip("\n"),
        SMALL.replace(",note", "").replace("guest=1,", "").replace(",,", ","),
        SMALL.replace("tier\n", "tier,tier_source\n")
        .replace("free\n", "free,a\n")
        .replace("premium\n", "premium,b\n"),
        SMALL.replace("guest=1", '"a note, of\ntwo lines"'),
    ],
    ids=["bom", "crlf", "blank lines", "no last line end", "no note", "tier source", "quoted"],
)
def test_the_same_table_in_another_dress_reads_the_same(text: str) -> None:
    assert policy_of(text) == policy_of(SMALL)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("yes,yes,,free", "maybe,yes,,free", [(2, "guest")]),
        ("yes,yes,,free", "sure,maybe,,free", [(2, "guest"), (2, "owner")]),
        ("premium", "gold", [(4, "tier")]),
        (",free\n", ",\n", [(2, "tier"), (3, "tier")]),
        ("issue,create", "issue,view", [(3, "action")]),
        ("group,epic", "group,épic", [(4, "resource")]),
        ("group,epic", "gr/oup,epic", [(4, "scope")]),
        ("project,issue,view", "project,issue,view/all", [(2, "action")]),
        ("epic,create", "epic,create/it", [(4, "action")]),
        ("epic,create", "epic,", [(4, "action")]),
        ("group,epic", f"group,{'e' * 60}", [(4, "resource")]),
        ("no,yes,,premium", "no,yes,premium", [(4, "")]),
        ("no,yes,,premium", "no,yes,,premium,more", [(4, "")]),
        ("guest=1", '"guest', [(3, "")]),
        ("guest=1", '"guest"1', [(3, "")]),
        ("resource,action", "action", [(1, "resource")]),
        ("scope,resource,action", "a,b,c", [(1, "")]),
        ("resource", "object,resource", [(1, "")]),
        ("guest,owner,note", "note", [(1, "")]),
        ("guest,owner", "guest,guest", [(1, "guest")]),
        ("guest,owner", "guest,(?)", [(1, "(?)")]),
        ("guest,owner", "co owner,co-owner", [(1, "co owner"), (1, "co-owner")]),
    ],
)
def test_what_is_wrong_is_told_by_line_and_column(
    old: str, new: str, found: list[tuple[int, str]]
) -> None:
    assert old in SMALL
    assert places(SMALL.replace(old, new)) == found


@pytest.mark.parametrize(
    "text", ["", "\ufeff", "\n\n", SMALL.splitlines()[0], "x" * (MAX_BYTES + 1)]
)
def test_a_file_without_rows_or_too_large_is_refused(text: str) -> None:
    assert places(text) == [(1, "")]


def test_lines_count_after_a_note_of_several_lines() -> None:
    text = SMALL.replace("guest=1", '"two\nlines"').replace("no,yes,,premium", "no,oh,,premium")
    assert places(text) == [(5, "owner")]


def test_problems_before_broken_csv_are_told_too() -> None:
    text = SMALL.replace("yes,yes,,free", "yes,yes,,gold").replace("no,yes", 'no,"yes')
    assert places(text) == [(4, ""), (2, "tier")]


def test_a_repeated_permission_is_told_with_the_line_of_the_first() -> None:
    with pytest.raises(PolicyFileError, match=r"matrix\.csv:3: action: .* on line 2 already"):
        read_matrix(SMALL.replace("issue,create", "issue,view"), ("free", "premium"))


@pytest.mark.parametrize(
    ("tiers", "reason"),
    [
        (("free", "free"), ErrorReason.INVALID_FIELD),
        (("free", "pre mium"), ErrorReason.INVALID_IDENTIFIER),
        (("free", ""), ErrorReason.INVALID_IDENTIFIER),
        (tuple("abcdefgh"), ErrorReason.INCLUSION_TOO_DEEP),
    ],
)
def test_tiers_must_be_named_once_and_few(tiers: tuple[str, ...], reason: ErrorReason) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read_matrix(SMALL, tiers)
    assert (raised.value.reason, raised.value.field) == (reason, "tiers")


def test_a_tier_column_takes_the_order_of_its_tiers() -> None:
    assert places(SMALL, ()) == [(1, "tier")]
