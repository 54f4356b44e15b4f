"""Whatever is granted, changed and taken in whatever order: memory, database and Casbin agree."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any, Final, TypeAlias

import pytest

from authz_service.domain.change import Fact
from authz_service.domain.decision import Question
from authz_service.domain.documents import document
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.domain.window import ALWAYS, Window
from authz_service.engine.decide import decide
from authz_service.errors import AuthzError
from authz_service.reference.decision import Reference
from authz_service.store.audit_log import Filters, Revisions
from authz_service.usecases.audit import auditing
from authz_service.usecases.audit.auditing import ListChanges
from authz_service.usecases.grants import exceptions, role_grants
from authz_service.usecases.grants.batch_grants import (
    BatchGrantRoles,
    BatchRevokeRoles,
    batch_grant_roles,
    batch_revoke_roles,
)
from authz_service.usecases.kernel.paging import PageRequest
from tests.conformance import granting, ledger
from tests.conformance.granting import ROLES, SUBJECTS, TENANTS, calling
from tests.conformance.store_world import NOON, OPS, StoreWorld
from tests.differential.compare import MODEL

SCOPES: Final = ("", "doc:1")
WINDOWS: Final = (ALWAYS, ALWAYS, Window(0, NOON), Window(NOON), Window(0, NOON + 5_000_000))
INSTANTS: Final = (NOON - 1, NOON, NOON + 5_000_000)
STEPS: Final = 30

_Op: TypeAlias = tuple[Any, Any, Callable[[Any], object]]
"""A use case, what is wanted of it, and what its answer means to the books."""


class Clerk:
    """Draws changes, and keeps books of the grants that must be in force by the answers alone."""

    def __init__(self, world: StoreWorld, seed: int) -> None:
        self.world = world
        self.random = Random(seed)
        self.books: dict[str, RoleGrant] = {}
        self.exceptions: dict[str, TenantException] = {}
        self.outcomes: set[str] = set()

    def step(self, number: int) -> None:
        """Do one thing: at times as a dry run first, and at times twice under one request id."""
        case, wanted, book = self._drawn()
        repeats, tries = self.random.random() < 0.4, self.random.random() < 0.3
        call = calling(request_id=f"r{number}" if repeats else "", fingerprint=str(number))
        told = self._done(replace(call, validate_only=True), case, wanted) if tries else None
        answer = self._done(call, case, wanted)
        if tries:
            assert (told is None) == (answer is None)
        if answer is None:
            return
        book(answer.value)
        if repeats:
            before = ledger.contents(self.world.database)
            assert self._done(call, case, wanted) == replace(answer, repeated=True)
            assert ledger.contents(self.world.database) == before

    def _done(self, call: Any, case: Any, wanted: Any) -> Any:
        before = ledger.contents(self.world.database)
        name = type(wanted).__name__
        try:
            answer = self.world.executor.change(call, case, wanted)
        except AuthzError as refusal:
            self.outcomes.add(f"{name}: {refusal.reason}")
            after = ledger.contents(self.world.database)
            for contents in (before, after):
                del contents["audit_entry"]
            assert before == after
            return None
        if call.validate_only:
            assert ledger.contents(self.world.database) == before
        self.outcomes.add(name)
        return answer

    def _drawn(self) -> _Op:
        draws = (self._grant, self._revoke, self._bulk_grant, self._bulk_revoke, self._update)
        more = (self._delete, self._except, self._update_exception)
        return self.random.choice((*draws, *more))()

    def _a_grant(self) -> RoleGrant:
        pick = self.random.choice
        source = pick((GrantSource.MANUAL, GrantSource.SCIM))
        role = pick(ROLES) if self.random.random() < 0.95 else "admin"
        return RoleGrant(pick(TENANTS), pick(SUBJECTS), role, pick(SCOPES), pick(WINDOWS), source)

    def _a_revocation(self) -> role_grants.RevokeRole:
        like = self._a_grant()
        return role_grants.RevokeRole(
            tenant=like.tenant,
            subject=like.subject,
            role=like.role,
            scope=like.scope,
            source=self.random.choice((None, like.source)),
        )

    def _held(self) -> tuple[str, str]:
        """Name a grant and its tenant: one that is held, if there is any."""
        held = sorted(self.books) or ["a000000"]
        grant_id = self.random.choice(held)
        return grant_id, self.books[grant_id].tenant if self.books else "acme"

    def _grant(self) -> _Op:
        grant = self._a_grant()
        wanted = role_grants.GrantRole(grant=grant)
        return role_grants.grant_role, wanted, lambda made: self._enter(made, made.id)

    def _revoke(self) -> _Op:
        return role_grants.revoke_role, self._a_revocation(), lambda ended: self._strike(*ended)

    def _bulk_grant(self) -> _Op:
        wanted = tuple(self._a_grant() for _ in range(self.random.randint(1, 6)))

        def book(results: Any) -> None:
            for grant, result in zip(wanted, results, strict=True):
                if result.made:
                    self._enter(grant, result.id)
                else:
                    assert replace(self.books[result.id], id="", reason="") == grant

        return batch_grant_roles, BatchGrantRoles(grants=wanted), book

    def _bulk_revoke(self) -> _Op:
        wanted = tuple(self._a_revocation() for _ in range(self.random.randint(1, 6)))

        def book(results: Any) -> None:
            for described, ids in zip(wanted, results, strict=True):
                for grant_id in ids:
                    assert described.describes(self.books.pop(grant_id))

        return batch_revoke_roles, BatchRevokeRoles(revocations=wanted), book

    def _update(self) -> _Op:
        grant_id, tenant = self._held()
        wanted = role_grants.UpdateRoleGrant(
            tenant=tenant,
            id=grant_id,
            mask=self.random.choice((("valid_until",), ("valid_from", "valid_until"), ("reason",))),
            window=self.random.choice(WINDOWS),
            reason=self.random.choice(("", "because")),
            expected_revision=self.random.choice((0, 0, 1)),
        )
        return role_grants.update_role_grant, wanted, lambda made: self._enter(made, made.id)

    def _delete(self) -> _Op:
        grant_id, tenant = self._held()
        wanted = role_grants.DeleteRoleGrant(tenant=tenant, id=grant_id)
        return role_grants.delete_role_grant, wanted, self._strike

    def _except(self) -> _Op:
        kind = self.random.choice(tuple(ExceptionKind))
        denial = kind is ExceptionKind.DENY
        made = TenantException(
            "",
            self.random.choice(TENANTS),
            kind,
            frozenset({self.random.choice(("doc:read", "doc:write"))}),
            subject=self.random.choice((EVERYONE, *SUBJECTS)) if denial else EVERYONE,
            scope=self.random.choice(SCOPES) if denial else "",
            window=self.random.choice(WINDOWS),
            reason="agreed",
            approver="user:boss",
        )
        wanted = exceptions.CreateException(exception=made)
        return exceptions.create_exception, wanted, self._put_exception

    def _update_exception(self) -> _Op:
        if not self.exceptions:
            return self._except()
        held = self.exceptions[self.random.choice(sorted(self.exceptions))]
        if self.random.random() < 0.4:
            one = exceptions.OneException(tenant=held.tenant, id=held.id)
            return exceptions.delete_exception, one, lambda e: self.exceptions.pop(e.id)
        wanted = exceptions.UpdateException(
            tenant=held.tenant,
            id=held.id,
            mask=self.random.choice((("permissions",), ("valid_until", "approver"), ("reason",))),
            window=self.random.choice(WINDOWS),
            permissions=self.random.choice((frozenset({"doc:read", "doc:write"}), frozenset())),
            reason=self.random.choice(("agreed", "agreed again")),
            approver="user:chief",
            expected_revision=self.random.choice((0, held.revision)),
        )
        return exceptions.update_exception, wanted, self._put_exception

    def _enter(self, grant: RoleGrant, grant_id: str) -> None:
        self.books[grant_id] = replace(grant, id=grant_id)

    def _strike(self, *ended: RoleGrant) -> None:
        for grant in ended:
            assert self.books.pop(grant.id) == grant

    def _put_exception(self, made: TenantException) -> None:
        self.exceptions[made.id] = made


def stored(world: StoreWorld) -> list[Fact]:
    with world.facts() as facts:
        return [
            *facts.permissions(),
            *facts.roles(),
            *facts.plans(),
            *facts.tenants(),
            *facts.exceptions(),
            *(m for t in TENANTS for s in SUBJECTS for m in facts.memberships(t, s)),
            *(grant for tenant in TENANTS for grant in facts.role_grants(tenant)),
        ]


def revisions(found: Any) -> dict[str, int]:
    return {each.id: each.revision for each in found}


@pytest.fixture(params=range(4))
def clerk(request: pytest.FixtureRequest, store_world: StoreWorld) -> Clerk:
    granting.seed(store_world)
    return Clerk(store_world, request.param)


def assert_books_are_right(clerk: Clerk) -> None:
    """Assert that database and memory hold what the answers said, at the revisions they said."""
    world = clerk.world
    with world.facts() as facts:
        grants = [grant for tenant in TENANTS for grant in facts.role_grants(tenant)]
        excepted = facts.exceptions()
    held = {grant.id: replace(grant, reason="") for grant in grants}
    assert held == {name: replace(grant, reason="") for name, grant in clerk.books.items()}
    assert {each.id: each for each in excepted} == clerk.exceptions
    assert revisions(excepted) == revisions(clerk.exceptions.values())
    index = world.stored_index()
    assert ledger.same(world.index, index)
    for memory in (world.index, index):
        kept = [e for tenant in TENANTS for e in memory.tenants[tenant].exceptions]
        assert revisions(kept) == revisions(excepted)


@pytest.mark.sweep
def test_books_memory_and_database_agree_after_every_step(clerk: Clerk) -> None:
    for number in range(STEPS):
        clerk.step(number)
        assert_books_are_right(clerk)
    ledger.assert_whole(clerk.world.database)


@pytest.mark.sweep
def test_casbin_answers_as_the_index_does_in_the_end(clerk: Clerk) -> None:
    for number in range(STEPS):
        clerk.step(number)
    asked = [
        Question(tenant, subject, permission, enclosing(scope))
        for tenant, subject, permission, scope in product(
            TENANTS, SUBJECTS, ("doc:read", "doc:write"), SCOPES
        )
    ]
    for at in INSTANTS:
        casbin = Reference(MODEL, stored(clerk.world), at)
        for question in asked:
            allowed = decide(clerk.world.index, question, at).allowed
            assert allowed == (casbin.decide(question).name == "ALLOWED"), (question, at)


@pytest.mark.sweep
def test_changes_that_are_listed_are_all_that_were_made(clerk: Clerk) -> None:
    seeded = ledger.head(clerk.world.database)
    for number in range(STEPS):
        clerk.step(number)
    standing: dict[str, dict[str, Any]] = {"role_grant": {}, "exception": {}}
    for tenant in TENANTS:
        query = ListChanges(
            filters=Filters(tenant, oldest_first=True),
            page=PageRequest(1000),
            revisions=Revisions(seeded),
        )
        for each in clerk.world.executor.read(OPS, auditing.list_changes, query).value.items:
            before, after = each.change.get("before"), each.change.get("after")
            ((kind, resource),) = dict(after or before or {}).items()
            assert standing[kind].pop(resource["id"], None) == before
            if after is not None:
                standing[kind][resource["id"]] = after
            assert each.entry["action"].rpartition(".")[2] in ("granted", "updated", "revoked")
    exceptions = {name: document(fact, 0) for name, fact in clerk.exceptions.items()}
    assert standing["exception"] == exceptions
    assert standing["role_grant"].keys() == clerk.books.keys()


def test_clerks_do_everything_and_are_refused_for_every_reason(store_world: StoreWorld) -> None:
    """What the others rely on."""
    granting.seed(store_world)
    clerk = Clerk(store_world, 1)
    for number in range(6 * STEPS):
        clerk.step(number)
    assert clerk.outcomes >= {
        *("GrantRole", "RevokeRole", "BatchGrantRoles", "BatchRevokeRoles", "UpdateRoleGrant"),
        *("DeleteRoleGrant", "CreateException", "UpdateException", "OneException"),
        *("GrantRole: ROLE_GRANT_EXISTS", "GrantRole: ROLE_NOT_ASSIGNABLE"),
        *("RevokeRole: ROLE_GRANT_NOT_FOUND", "BatchGrantRoles: ROLE_NOT_ASSIGNABLE"),
        *("UpdateRoleGrant: REVISION_MISMATCH", "UpdateRoleGrant: ROLE_GRANT_EXISTS"),
    }
