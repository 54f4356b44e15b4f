"""Values become messages and come back the same."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from authz_service.domain.catalog import (
    ADD_ON,
    TIER,
    Feature,
    FeatureKind,
    Limit,
    Permission,
    Plan,
    Role,
)
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.window import BEGINNING, FOREVER, LATEST, Window
from authz_service.gen.authz.v1 import role_grant_pb2
from authz_service.rpc.messages import catalog, exceptions, role_grants, values
from tests.rpc.harness import made

WORD = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,9}", fullmatch=True)
ID = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PERMISSION = st.builds("{}:{}".format, WORD, WORD)
SUBJECT = st.builds("user:{}".format, ID)
SCOPE = st.builds("{}:{}".format, WORD, ID)
INSTANT = st.integers(BEGINNING, LATEST)
WINDOW = st.builds(Window, INSTANT, INSTANT | st.just(FOREVER))

PERMISSIONS = st.builds(
    Permission, PERMISSION, st.booleans(), TEXT, st.booleans(), st.just("") | PERMISSION
)
ROLES = st.builds(
    Role,
    ID | st.builds("{}/{}".format, ID, ID),
    st.frozensets(PERMISSION),
    st.frozensets(ID),
    TEXT,
    st.booleans(),
)
FEATURES = st.builds(Feature, WORD, st.sampled_from(["true", "false"])) | st.builds(
    Feature, WORD, ID, st.just(FeatureKind.TEXT), st.integers(0, 9)
)
LIMITS = st.builds(Limit, WORD, st.none() | st.integers(0, 2**63 - 1), WORD)
PLANS = st.builds(
    Plan,
    ID.map(TIER.__add__),
    st.just("") | ID.map(TIER.__add__),
    st.frozensets(PERMISSION),
    st.lists(FEATURES, unique_by=lambda each: each.name).map(tuple),
    st.lists(LIMITS, unique_by=lambda each: each.name).map(tuple),
    st.frozensets(ID),
    TEXT,
)
GRANTS = st.builds(
    RoleGrant,
    ID,
    SUBJECT,
    ID,
    st.just("") | SCOPE,
    WINDOW,
    st.sampled_from(GrantSource),
    TEXT,
    st.just("") | ID,
)
EXCEPTIONS = st.builds(
    TenantException,
    st.just("") | ID,
    ID,
    st.sampled_from(ExceptionKind),
    st.frozensets(PERMISSION),
    st.just(EVERYONE) | SUBJECT,
    st.just("") | SCOPE,
    WINDOW,
    TEXT,
    TEXT,
)


@given(PERMISSIONS)
def test_permission_comes_back(value: Permission) -> None:
    message = catalog.permission_message(value)
    assert catalog.permission(message.FromString(message.SerializeToString())) == value


@given(ROLES)
def test_role_comes_back(value: Role) -> None:
    message = catalog.role_message(value)
    assert catalog.role(message.FromString(message.SerializeToString())) == value


@given(PLANS)
def test_tier_comes_back(value: Plan) -> None:
    message = catalog.tier_message(value)
    assert catalog.tier(message.FromString(message.SerializeToString())) == value


@given(PLANS, st.integers(0, 2**63 - 1))
def test_add_on_comes_back_but_for_its_revision(value: Plan, revision: int) -> None:
    value = replace(value, id=ADD_ON + value.name, extends="", revision=revision)
    message = catalog.add_on_message(value)
    assert message.revision == revision
    back = catalog.add_on(message.FromString(message.SerializeToString()))
    assert (back, back.revision) == (value, 0)


@given(GRANTS)
def test_grant_comes_back_but_for_the_id_that_the_service_gives(value: RoleGrant) -> None:
    message = role_grants.role_grant_message(value)
    assert message.id == value.id
    back = role_grants.role_grant(message.FromString(message.SerializeToString()))
    assert back == replace(value, id="")


@given(EXCEPTIONS)
def test_exception_comes_back_but_for_the_id_that_the_service_gives(
    value: TenantException,
) -> None:
    message = exceptions.exception_message(value)
    assert message.id == value.id
    back = exceptions.exception(message.FromString(message.SerializeToString()))
    assert back == replace(value, id="")


@given(WINDOW)
def test_window_comes_back_and_open_ends_are_left_out(value: Window) -> None:
    fields = values.window_fields(value)
    assert ("valid_from" in fields) == (value.valid_from != BEGINNING)
    assert ("valid_until" in fields) == (value.valid_until != FOREVER)
    assert values.window(made(role_grant_pb2.RoleGrant, **fields)) == value


@given(INSTANT)
def test_instant_comes_back_to_the_microsecond(value: int) -> None:
    assert values.instant(values.timestamp(value)) == value


@given(st.frozensets(PERMISSION))
def test_message_lists_a_set_in_one_order(value: frozenset[str]) -> None:
    assert list(catalog.role_message(Role("r", value)).permissions) == sorted(value)
