"""Definitions are created once, updated in parts, and guarded by the revision they were read at."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import permission_pb2, role_pb2, tier_pb2
from tests.changesets import apply, previewing, puts
from tests.rpc.account import Account
from tests.rpc.trail import added, mark
from tests.services import PUT, request

KINDS: dict[str, tuple[str, ErrorReason]] = {
    "Permission": ("permission", ErrorReason.PERMISSION_EXISTS),
    "Role": ("role", ErrorReason.ROLE_EXISTS),
    "Tier": ("tier", ErrorReason.TIER_EXISTS),
    "AddOn": ("add_on", ErrorReason.ADD_ON_EXISTS),
}


def name_of(account: Account, kind: str) -> str:
    return f"{account.id}:view" if kind == "Permission" else account.id


def create(account: Account, kind: str, **fields: Any) -> Any:
    """Create an object named after the account; return it."""
    field = KINDS[kind][0]
    content = {"id": name_of(account, kind), "description": "first"} | fields
    return getattr(account.operator.call(request(f"Create{kind}", **{field: content})), field)


def get(account: Account, kind: str) -> Any:
    answer = account.operator.call(request(f"Get{kind}", id=name_of(account, kind)))
    return getattr(answer, KINDS[kind][0])


def update(account: Account, kind: str, *paths: str, revision: int = 0, **fields: Any) -> Any:
    field = KINDS[kind][0]
    content = {"id": name_of(account, kind)} | fields
    return request(f"Update{kind}", **{field: content},
        update_mask=FieldMask(paths=paths), expected_revision=revision,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_created_object_is_there_at_the_revision_that_made_it(account: Account, kind: str) -> None:
    made_ = create(account, kind)
    assert made_.revision == account.server.revision
    assert get(account, kind) == made_


@pytest.mark.parametrize("kind", KINDS)
def test_what_exists_is_not_created_again(account: Account, kind: str) -> None:
    create(account, kind)
    field, reason = KINDS[kind]
    again = request(f"Create{kind}", **{field: {"id": name_of(account, kind)}})
    account.server.refuses(again, reason, at=f"{field}.id", says="update it")


@pytest.mark.parametrize("kind", KINDS)
def test_update_changes_what_the_mask_names_and_nothing_else(account: Account, kind: str) -> None:
    before = create(account, kind)
    field = KINDS[kind][0]
    answer = account.operator.call(update(account, kind, "description", description="second"))
    after = getattr(answer, field)
    assert (after.description, after.revision) == ("second", answer.revision)
    assert after.revision > before.revision
    after.description, after.revision = before.description, before.revision
    if isinstance(after, tier_pb2.Tier):
        assert after.version == before.version + 1
        after.version = before.version
    assert after == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["id", "revision", "features.sso", "nonsense", ""])
def test_mask_names_only_what_can_be_updated(account: Account, kind: str, path: str) -> None:
    create(account, kind)
    paths = [path] if path else []
    wanted = update(account, kind, *paths, description="x")
    account.server.refuses(wanted, ErrorReason.INVALID_FIELD, at="update_mask", says=path)


def test_add_on_extends_nothing(account: Account) -> None:
    create(account, "AddOn")
    wanted = update(account, "AddOn", "extends")
    account.server.refuses(wanted, ErrorReason.INVALID_FIELD, at="update_mask", says="extends")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", ["Whole", "Update", "Delete"])
def test_change_of_what_has_changed_meanwhile_is_refused(
    account: Account, kind: str, verb: str
) -> None:
    read = create(account, kind).revision
    field = KINDS[kind][0]
    account.operator.call(update(account, kind, "description", description="theirs"))
    content = {"id": name_of(account, kind), "description": "mine"}
    wanted: Callable[[int], Any] = {
        "Whole": lambda at: request(
            f"Update{kind}", **PUT, **{field: content}, expected_revision=at
        ),
        "Update": lambda at: update(account, kind, "description", revision=at, description="mine"),
        "Delete": lambda at: request(f"Delete{kind}", id=content["id"], expected_revision=at),
    }[verb]
    found = account.server.refuses(
        wanted(read), ErrorReason.REVISION_MISMATCH, at="expected_revision", says="read it again"
    )
    now = get(account, kind).revision
    assert found.metadata == {"revision": str(now), "expected_revision": str(read)}
    account.operator.call(wanted(now))


@pytest.mark.parametrize("kind", KINDS)
def test_update_that_changes_nothing_leaves_the_revision_alone(account: Account, kind: str) -> None:
    before = create(account, kind)
    field = KINDS[kind][0]
    create(Account(account.server, f"{account.id}-2"), kind)
    answer = account.operator.call(request(f"Update{kind}", **PUT, **{field: before}))
    assert getattr(answer, field) == before


@pytest.mark.parametrize("kind", KINDS)
def test_update_creates_what_is_missing_only_if_asked_to(account: Account, kind: str) -> None:
    field, name = KINDS[kind][0], name_of(account, kind)
    content = {"id": name, "description": "new"}
    mask = FieldMask(paths=["description"])
    wanted = request(f"Update{kind}", **{field: content}, update_mask=mask)
    reason = ErrorReason("ADD_ON_NOT_FOUND" if kind == "AddOn" else f"{kind.upper()}_NOT_FOUND")
    account.server.refuses(wanted, reason, at=f"{field}.id")
    wanted.allow_missing = True
    wanted.expected_revision = 1
    account.server.refuses(wanted, ErrorReason.REVISION_MISMATCH, at="expected_revision")
    wanted.expected_revision = 0
    answer = account.operator.call(wanted)
    assert getattr(answer, field) == get(account, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_request_gets_the_first_answer(account: Account, kind: str) -> None:
    create(account, kind)
    wanted = update(account, kind, "description", description="second")
    wanted.request_id = f"{account.id}-{kind}"
    first = account.operator.call(wanted)
    account.operator.call(update(account, kind, "description", description="third"))
    assert account.operator.call(wanted) == first


@pytest.mark.parametrize("kind", KINDS)
def test_update_of_what_does_not_exist_is_refused(account: Account, kind: str) -> None:
    reason = ErrorReason(f"{'ADD_ON' if kind == 'AddOn' else kind.upper()}_NOT_FOUND")
    wanted = update(account, kind, "description", description="x")
    account.server.refuses(wanted, reason, at=f"{KINDS[kind][0]}.id")


@pytest.mark.parametrize("kind", KINDS)
def test_update_is_audited_with_what_was_and_what_is(account: Account, kind: str) -> None:
    create(account, kind)
    before = mark(account.server)
    wanted = update(account, kind, "description", description="second")
    wanted.reason = "renamed"
    account.operator.call(wanted)
    entry, *kept = added(account.server, before)
    assert {each["action"] for each in kept} <= {"tier.version_kept"}
    field = KINDS[kind][0]
    assert (entry["action"], entry["reason"]) == (f"{field}.updated", "renamed")
    assert (entry["before"]["description"], entry["after"]["description"]) == ("first", "second")


def test_own_role_is_updated_within_its_tier(account: Account) -> None:
    account.onboard("free")
    account.put_role("clerk", "invoices:view")
    role = role_pb2.Role(id=f"{account.id}/clerk", permissions=["sso:configure"])
    wanted = role_pb2.UpdateRoleRequest(role=role, update_mask=FieldMask(paths=["permissions"]))
    account.server.refuses(
        wanted, ErrorReason.ROLE_WIDER_THAN_TIER, at="role.permissions", says="sso:configure"
    )


def test_update_of_what_is_included_is_held_to_the_laws(account: Account) -> None:
    create(account, "Role")
    create(Account(account.server, f"{account.id}-2"), "Role", includes=[account.id])
    wanted = update(account, "Role", "includes", includes=[f"{account.id}-2"])
    account.server.refuses(wanted, ErrorReason.INCLUSION_CYCLE, at="role.includes")


def test_admin_flag_is_kept_and_not_inherited(account: Account) -> None:
    create(account, "Role", admin=True)
    other = Account(account.server, f"{account.id}-2")
    assert not create(other, "Role", includes=[account.id]).admin
    assert get(account, "Role").admin


def old_and_new(account: Account) -> tuple[str, str]:
    """Declare a permission that is deprecated, and the one to use in its stead."""
    new, old = f"{account.id}:new", f"{account.id}:old"
    for permission in (
        permission_pb2.Permission(id=new),
        permission_pb2.Permission(id=old, deprecated=True, replaced_by=new),
    ):
        account.operator.call(permission_pb2.CreatePermissionRequest(permission=permission))
    return old, new


@pytest.mark.parametrize("kind", ["Role", "Tier", "AddOn"])
@pytest.mark.parametrize("verb", ["Create", "Update", "Whole"])
def test_deprecated_permission_is_taken_up_no_more(account: Account, kind: str, verb: str) -> None:
    old, new = old_and_new(account)
    field = KINDS[kind][0]
    fields: dict[str, Any] = {"permissions": [old]}
    if verb == "Update":
        create(account, kind)
        wanted = update(account, kind, "permissions", **fields)
    elif verb == "Create":
        wanted = request(f"Create{kind}", **{field: {"id": account.id} | fields})
    else:
        wanted = request(f"Update{kind}", **PUT, **{field: {"id": account.id} | fields})
    found = account.server.refuses(
        wanted, ErrorReason.PERMISSION_DEPRECATED, at=f"{field}.permissions", says=f"use {new}"
    )
    assert found.metadata == {"permission": old, "replaced_by": new}


def test_what_holds_a_permission_that_becomes_deprecated_goes_on(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    name = name_of(account, "Permission")
    create(account, "Permission")
    create(account, "AddOn", permissions=[name])
    update_ = update(account, "Permission", "deprecated", deprecated=True)
    account.operator.call(update_)
    account.operator.call(update(account, "AddOn", "description", description="still"))
    assert list(get(account, "AddOn").permissions) == [name]
    layers = {layer.layer: layer.summary for layer in account.explain("ada", name).layers}
    assert "deprecated" in layers["permission"]


def test_policy_set_may_take_up_what_is_deprecated_and_says_so(account: Account) -> None:
    old, new = old_and_new(account)
    role = role_pb2.Role(id=account.id, permissions=[old])
    ask, changeset = account.operator.changesets, puts(roles=[role])
    assert list(ask.PreviewChangeset(previewing(changeset)).preview.warnings) == [
        f"role {account.id} takes up {old}, which is deprecated: use {new}"
    ]
    apply(ask, changeset)
    again = ask.PreviewChangeset(previewing(changeset)).preview
    assert (list(again.objects), list(again.warnings)) == ([], [])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"replaced_by": "invoices:view"}, "deprecate it too"),
        ({"deprecated": True, "replaced_by": "no:such"}, "is not declared"),
        ({"deprecated": True, "replaced_by": "self"}, "cannot replace itself"),
    ],
)
def test_successor_is_another_permission_that_exists(
    account: Account, fields: dict[str, Any], says: str
) -> None:
    name = name_of(account, "Permission")
    fields = fields | {"id": name}
    if fields["replaced_by"] == "self":
        fields["replaced_by"] = name
    reason = ErrorReason.PERMISSION_NOT_FOUND if "declared" in says else ErrorReason.INVALID_FIELD
    wanted = permission_pb2.CreatePermissionRequest(permission=fields)  # type: ignore[arg-type]
    account.server.refuses(wanted, reason, at="permission.replaced_by", says=says)


def listed(account: Account, kind: str, field: str, **filters: Any) -> tuple[list[str], int]:
    answer = account.operator.call(request(f"List{kind}", **filters))
    return [each.id for each in getattr(answer, field)], answer.total_size


def test_catalogue_is_listed_by_type_kind_and_deprecation(account: Account) -> None:
    old, new = old_and_new(account)
    create(account, "Permission", internal=True)
    mine = {"resource_type": account.id}
    hidden = name_of(account, "Permission")
    assert listed(account, "Permissions", "permissions", **mine) == ([new, old, hidden], 3)
    assert listed(account, "Permissions", "permissions", **mine, internal=True) == ([hidden], 1)
    assert listed(account, "Permissions", "permissions", **mine, deprecated=True) == ([old], 1)
    whole = listed(account, "Permissions", "permissions", **mine, deprecated=False, page_size=1)
    assert whole == ([new], 2)


def test_roles_are_listed_by_what_they_hold_and_how_they_begin(account: Account) -> None:
    create(account, "Permission")
    name = name_of(account, "Permission")
    create(account, "Role", permissions=[name])
    create(Account(account.server, f"{account.id}-2"), "Role", includes=[account.id])
    both = [account.id, f"{account.id}-2"]
    assert listed(account, "Roles", "roles", permission=name) == (both, 2)
    assert listed(account, "Roles", "roles", prefix=f"{account.id}-") == (both[1:], 1)
    wrong = role_pb2.ListRolesRequest(permission="no:such")
    account.server.refuses(wrong, ErrorReason.PERMISSION_NOT_FOUND, at="permission")


@pytest.mark.parametrize(("kind", "field"), [("Tier", "tiers"), ("AddOn", "add_ons")])
def test_plans_are_listed_by_what_they_carry(account: Account, kind: str, field: str) -> None:
    create(account, "Permission")
    name = name_of(account, "Permission")
    features = [{"name": f"f-{account.id}", "enabled": True}]
    create(account, kind, permissions=[name], features=features)
    assert listed(account, f"{kind}s", field, permission=name) == ([account.id], 1)
    assert listed(account, f"{kind}s", field, feature=f"f-{account.id}") == ([account.id], 1)
    assert listed(account, f"{kind}s", field, feature="nowhere") == ([], 0)


def test_tier_carries_what_it_extends_when_it_is_listed(account: Account) -> None:
    create(account, "Permission")
    name = name_of(account, "Permission")
    create(account, "Tier", permissions=[name])
    create(Account(account.server, f"{account.id}-2"), "Tier", extends=account.id)
    both = [account.id, f"{account.id}-2"]
    assert listed(account, "Tiers", "tiers", permission=name) == (both, 2)
