"""Tables of permissions as people keep them: spreadsheets' exports, words, marks, merged cells."""

import itertools
from pathlib import Path

import pytest

from authz_service.domain.catalog import chain
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles.matrix.columns import Kind
from authz_service.policyfiles.matrix.matrix import read_matrix
from authz_service.policyfiles.matrix.text import decoded
from authz_service.policyfiles.problem import PolicyFileError

CASES = Path(__file__).parents[1] / "cases" / "tables"
PLAIN = """\
resource,action,Admin,Viewer
dashboard,view,yes,yes
dashboard,edit,yes,no
"""
HELD = {"Admin": {"dashboard:view", "dashboard:edit"}, "Viewer": {"dashboard:view"}}


def held(policy: PolicySet) -> dict[str, set[str]]:
    return {role.id: set(role.permissions) for role in policy.roles}


def sold(policy: PolicySet) -> dict[str, set[str]]:
    plans = {tier.id: tier for tier in policy.tiers}
    return {
        tier.removeprefix("tier/"): {
            name for plan in chain(plans, tier) for name in plan.permissions
        }
        for tier in plans
    }


def read(text: str, *tiers: str) -> PolicySet:
    return read_matrix(text, tiers).policy


@pytest.mark.parametrize(
    ("file", "tiers", "roles", "top"),
    [
        (
            "excel-semicolon.csv",
            ("free", "pro"),
            {"guest": {"org.board:view"}, "owner": {"org.board:view", "org.board:delete"}},
            {"free": {"org.board:view"}, "pro": {"org.board:view", "org.board:delete"}},
        ),
        (
            "grafana-form.csv",
            ("oss",),
            {
                "Admin": {
                    "org.dashboard:view",
                    "org.dashboard:edit",
                    "org.folder:edit",
                    "org.datasource:edit",
                },
                "Editor": {"org.dashboard:view", "org.dashboard:edit", "org.folder:edit"},
                "Viewer": {"org.dashboard:view"},
            },
            None,
        ),
        (
            "words.csv",
            ("free", "pro"),
            {
                "team-admin": {"org.channel:create", "org.channel:delete", "org.channel:mute"},
                "member": set(),
            },
            {
                "free": {"org.channel:create", "org.channel:mute"},
                "pro": {"org.channel:create", "org.channel:mute", "org.channel:delete"},
            },
        ),
    ],
)
def test_cases_are_read(
    file: str,
    tiers: tuple[str, ...],
    roles: dict[str, set[str]],
    top: dict[str, set[str]] | None,
) -> None:
    policy = read_matrix(decoded((CASES / file).read_bytes()), tiers).policy
    assert held(policy) == roles
    if top is not None:
        assert sold(policy) == top


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_reads_the_same_however_a_spreadsheet_writes_it(
    delimiter: str, encoding: str, end: str
) -> None:
    text = PLAIN.replace(",", delimiter).replace("\n", end)
    assert held(read(decoded(text.encode(encoding)))) == HELD


def test_windows_1252_and_excels_first_line_are_read() -> None:
    text = "sep=;\r\n" + PLAIN.replace(",", ";").replace("Viewer", "Prüfer")
    roles = read_matrix(decoded(text.encode("cp1252"))).policy.roles
    assert [(role.id, role.description) for role in roles] == [("Admin", ""), ("Pr-fer", "Prüfer")]


YES = ["yes", "Y", "TRUE", "x", "X", "✓", "✔️", "✅", "1", "Ja", "WAHR", " yes "]
NO = ["no", "N", "FALSE", "", "✗", "❌", "-", "–", "0", "Nein", "n/a"]  # noqa: RUF001 - a dash as people type it


def test_words_and_marks_are_read() -> None:
    for yes, no in itertools.product(YES, NO):
        assert held(read(PLAIN.replace("yes", yes).replace("no", no))) == HELD, (yes, no)


@pytest.mark.parametrize("depends", ["conditional", "Partial", "(x)", "limited", "~"])
def test_what_depends_on_something_else_grants_nothing(depends: str) -> None:
    text = PLAIN.replace("edit,yes", f"edit,{depends}")
    assert held(read(text))["Admin"] == {"dashboard:view"}


def test_an_x_beside_check_marks_may_be_a_cross_and_is_refused() -> None:
    with pytest.raises(PolicyFileError, match=r":1: Admin: `x` stands beside check marks"):
        read(PLAIN.replace("edit,yes", "edit,x").replace("view,yes", "view,✓"))


def test_without_tiers_permissions_and_roles_are_all_there_is() -> None:
    policy = read(PLAIN)
    assert (len(policy.permissions), policy.tiers) == (2, ())


def test_without_a_tier_column_the_lowest_tier_has_everything() -> None:
    assert sold(read(PLAIN, "free", "pro"))["free"] == HELD["Admin"]


def test_a_column_for_each_tier_says_what_it_has() -> None:
    text = "permission,Admin,Free,Pro\\ninvoices:view,x,x,x\\ninvoices:export,x,,x\\n"
    policy = read(text.replace("\\n", "\n"), "free", "pro")
    assert sold(policy) == {
        "free": {"invoices:view"},
        "pro": {"invoices:view", "invoices:export"},
    }
    assert held(policy) == {"Admin": {"invoices:view", "invoices:export"}}


def test_a_tier_that_lacks_what_the_one_below_has_is_refused() -> None:
    with pytest.raises(PolicyFileError, match=r":2: pro: free has it and pro has not"):
        read("permission,Admin,free,pro\ninvoices:view,x,x,\n", "free", "pro")


def test_titles_sections_and_merged_cells_are_no_permissions() -> None:
    text = (
        "Who may do what (2026),,,\n,,,\nResource,Action,Admin,Viewer\n"
        "Reporting,,,\ndashboard,view,x,x\n,edit,x,\n"
    )
    table = read_matrix(text)
    assert held(table.policy) == HELD
    assert table.sections == ("Reporting",)


def test_permissions_in_words_begin_with_the_action() -> None:
    text = "Capability,Admin\nExport invoices,x\ninvoices:view,x\nMerge pull requests,x\n"
    names = {permission.id for permission in read(text).permissions}
    assert names == {"invoices:export", "invoices:view", "pull_requests:merge"}


def test_sections_name_the_resource_where_no_column_does() -> None:
    text = "Permission,Admin,Viewer\nInvoices,,\nview,x,x\nexport,x,\nMembers,,\nInvite,x,\n"
    names = {permission.id for permission in read(text).permissions}
    assert names == {"invoices:view", "invoices:export", "members:invite"}


def test_a_permission_that_no_role_has_is_no_section() -> None:
    table = read_matrix("permission,Admin,Viewer\ninvoices:view,x,x\ninvoices:void,,\n")
    assert "invoices:void" in {permission.id for permission in table.policy.permissions}
    assert table.sections == ()


def test_one_word_without_a_resource_is_refused() -> None:
    with pytest.raises(PolicyFileError, match=r":2: permission: ':export' is not a permission"):
        read("permission,Admin\nexport,x\n")


def test_it_is_told_how_each_column_was_read() -> None:
    text = (
        "Module,Action,Team Admin,Reviewed by,Notes,Min tier,\n"
        "invoices,view,✓,Ann Lee,,Free,\ninvoices,export,,Bob,later,Pro,\n"
    )
    columns = read_matrix(text, ("free", "pro")).columns
    assert [(column.name, column.kind, column.id) for column in columns] == [
        ("Module", Kind.RESOURCE, ""),
        ("Action", Kind.ACTION, ""),
        ("Team Admin", Kind.ROLE, "Team-Admin"),
        ("Reviewed by", Kind.IGNORED, ""),
        ("Notes", Kind.IGNORED, ""),
        ("Min tier", Kind.TIER, ""),
        ("", Kind.IGNORED, ""),
    ]
    assert columns[2].words == (("yes", ("✓",)), ("no", ("",)))
    assert "Ann Lee" in columns[3].remark


def test_a_column_of_which_some_cells_are_words_names_the_others() -> None:
    with pytest.raises(PolicyFileError, match=r":3: Viewer: a cell is yes, no .*, not 'maybe'"):
        read(PLAIN.replace("edit,yes,no", "edit,yes,maybe"))
