"""What is scheduled does at its instant what applying it there does, on random worlds.

Two databases begin alike and see the same changes. On one, sets are scheduled; on the other, each
is applied when its instant comes, by hand. Every decision must be the same before, between and
after, with and without a write, after a restart, and by Casbin.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from shutil import copy
from typing import Final

import pytest

from authz_service.domain.audit_changes import tenant_of
from authz_service.domain.catalog import Role
from authz_service.domain.change import Fact, FactChange, ScheduledChangeset
from authz_service.domain.changeset import Changeset
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.domain.membership import Membership
from authz_service.domain.scheduled_changeset import in_force as facts_in_force
from authz_service.domain.tenant import SYSTEM, SuspensionReason, Tenant
from authz_service.domain.window import Instant
from authz_service.engine import scheduled
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from authz_service.errors import AuthzError
from authz_service.reference.decision import Reference
from authz_service.reference.in_force import rules_in_force
from tests.conformance.changing_world import OPERATORS, applied, preview
from tests.conformance.random_changes import NOW, Drawing
from tests.conformance.store_world import StoreWorld, opened
from tests.conformance.test_preview_equals_effect import drawn, stored
from tests.conformance.test_rules_in_force import every_page
from tests.differential.making import PERMISSIONS, SCOPES
from tests.differential.test_index_grows import loading_order
from tests.differential.worlds import World, question, world

MODEL: Final = (Path(__file__).parents[2] / "policies" / "model.conf").read_text()
SEEDS: Final = ((31, 55, 83, 84), (43, 69, 78, 2))
"""Of 500 that were gone through: those in which much is planned anew, and something is refused."""

INSTANTS: Final = (NOW + 5, NOW + 10, NOW + 15)
"""When sets come into force: some where windows begin and end, some between."""


@dataclass
class Course:
    """What has come about: tells that the worlds drawn were worth drawing."""

    done: int = 0
    refused: int = 0
    anew: int = 0


def apply_now(there: StoreWorld, changes: Changeset) -> bool:
    """Apply a set, when what is due are facts; tell whether that could be done."""
    there.store.apply_due()
    try:
        applied(there, preview(there, *changes.commands).fingerprint, *changes.commands)
    except AuthzError:
        return False
    return True


def schedule(there: StoreWorld, changes: Changeset, at: Instant) -> str:
    """Schedule a set; give its id, or "" where that is refused."""
    try:
        plan = preview(there, *changes.commands, at=at)
        made = applied(there, plan.fingerprint, *changes.commands, at=at)
    except AuthzError:
        return ""
    assert made.scheduled is not None
    return made.scheduled.id


def answers(index: Index, made: World, at: Instant) -> set[tuple[str, ...]]:
    """Ask everything of everybody at an instant."""
    return {
        (tenant, subject, permission, scope)
        for tenant in made.tenants
        for subject in made.subjects
        for permission in PERMISSIONS
        for scope in ("", *SCOPES)
        if decide(index, Question(tenant, subject, permission, enclosing(scope)), at).allowed
    }


def meanwhile(random: Random, facts: list[Fact]) -> tuple[Fact, Fact | None]:
    """Draw what else may be changed, at any time and by other ways."""
    kinds = Tenant | Membership | RoleGrant | Role
    own = [fact for fact in facts if isinstance(fact, kinds) and tenant_of(fact) != SYSTEM]
    fact = random.choice([*own, *(f for f in facts if isinstance(f, Role) and not f.tenant)])
    match fact:
        case Tenant():
            return fact, replace(fact, suspensions=fact.suspensions ^ {SuspensionReason.BILLING})
        case Membership():
            return fact, replace(fact, suspensions=fact.suspensions ^ {SuspensionReason.ADMIN})
        case Role():
            return fact, replace(fact, description="described anew")
    return fact, None


def known(there: StoreWorld, made: World) -> list[Fact]:
    """Read what decisions depend on, and the schedules."""
    with there.facts() as facts:
        found: list[Fact] = [*facts.scheduled(), *facts.permissions()]
        found += (*facts.roles(""), *facts.plans())
        for tenant in (*made.tenants, SYSTEM):
            found += (*facts.tenants(tenant), *facts.roles(tenant), *facts.exceptions(tenant))
            found += (*facts.memberships(tenant, None), *facts.role_grants(tenant))
        return found


def content(fact: Fact) -> Fact:
    """Give a fact without an id that is given as it is made."""
    return replace(fact, id="") if isinstance(fact, RoleGrant | TenantException) else fact


def contents(facts: Iterable[Fact]) -> set[Fact]:
    return set(map(content, facts))


class Pair:
    """The two databases of one world."""

    def __init__(self, seed: int, ahead: StoreWorld, by_hand: StoreWorld) -> None:
        self.made, self.random = world(seed), Random(f"scheduled {seed}")
        facts = drawn(self.made)
        roles = frozenset(f.id for f in facts if isinstance(f, Role) and not f.tenant)
        self.ahead, self.by_hand, self.place = ahead, by_hand, f"{seed=}"
        for each in (ahead, by_hand):
            each.put(*OPERATORS, *sorted((stored(f, roles) for f in facts), key=loading_order))
        self.drawing = Drawing(self.made, facts)
        self.waiting: list[tuple[Instant, str, Changeset]] = []
        self.set_clocks(NOW)

    def set_clocks(self, at: Instant) -> None:
        self.ahead.clock.now = self.by_hand.clock.now = at

    def schedule(self) -> None:
        changes, at = self.drawing.change_set(), self.random.choice(INSTANTS)
        name = schedule(self.ahead, changes, at) if changes.commands else ""
        if name:
            self.waiting.append((at, name, changes))
            self.waiting.sort(key=lambda each: each[:2])

    def change(self, course: Course) -> None:
        """Change something in both."""
        before = set(self.ahead.index.scheduled.values())
        if self.random.random() < 0.5:
            changes = self.drawing.change_set()
            if changes.commands:
                done = [apply_now(each, changes) for each in (self.by_hand, self.ahead)]
                assert done[0] == done[1], (self.place, changes)
        else:
            self.ahead.store.apply_due()
            self._change(*meanwhile(self.random, known(self.by_hand, self.made)))
        course.anew += bool(before - set(self.ahead.index.scheduled.values()))

    def _change(self, before: Fact, after: Fact | None) -> None:
        for each in (self.by_hand, self.ahead):
            same = next(f for f in known(each, self.made) if content(f) == content(before))
            try:
                each.commit(FactChange(same, after))
            except AuthzError:
                assert each is self.by_hand, (self.place, before)
                return

    def come_to(self, at: Instant, course: Course) -> None:
        """Let an instant come: what is due is applied by hand on the one database alone."""
        self.set_clocks(at)
        while self.waiting and self.waiting[0][0] <= at:
            due, name, changes = self.waiting.pop(0)
            assert due == at
            blocker = self._blocker(name)
            done = apply_now(self.by_hand, changes)
            assert done == (blocker is None), (self.place, changes, blocker)
            course.done += done
            course.refused += not done

    def _blocker(self, name: str) -> object:
        return self.ahead.index.scheduled[name].blocker

    def compare(self, at: Instant) -> None:
        """Hold the two against each other, and what holds in force against Casbin."""
        expected = answers(self.by_hand.index, self.made, at)
        index = scheduled.in_force(self.ahead.index, at)
        assert answers(index, self.made, at) == expected, self.place
        restarted = scheduled.in_force(self.ahead.stored_index(), at)
        assert answers(restarted, self.made, at) == expected, self.place
        facts = facts_in_force(known(self.ahead, self.made), at)
        mine = (each for each in facts if not isinstance(each, ScheduledChangeset))
        assert contents(mine) == contents(known(self.by_hand, self.made)), self.place
        exported = every_page(self.ahead, index.revision, at)
        rules = {(rule.ptype, rule.values) for rule in rules_in_force(facts, at)}
        assert {(rule.ptype, rule.values) for rule in exported} == rules, self.place
        assert len({rule.id for rule in exported}) == len(exported), self.place
        reference = Reference(MODEL, facts, at)
        for _ in range(4):
            asked = question(self.random, self.made, tuple(facts))
            decided = decide(index, asked, at)
            allowed = reference.decide(asked) is DecisionReason.ALLOWED
            assert allowed == decided.allowed, (self.place, asked)


@pytest.mark.parametrize("seeds", SEEDS)
def test_scheduled_sets_do_at_their_instant_what_applying_them_there_does(
    seeds: tuple[int, ...], migrated_sqlite: Path, tmp_path: Path
) -> None:
    course = Course()
    for seed in seeds:
        with ExitStack() as stack:
            files = (tmp_path / f"{seed}{name}.db" for name in ("ahead", "by-hand"))
            take(Pair(seed, *(_opened(stack, migrated_sqlite, file) for file in files)), course)
    assert course.done >= 5, course
    assert course.refused >= 1, course
    assert course.anew >= 2, course


def take(pair: Pair, course: Course) -> None:
    """Go through one world's course, from before the first instant to after the last."""
    for _ in range(4):
        pair.schedule()
        pair.change(course)
        pair.change(course)
    pair.compare(NOW)
    for at in INSTANTS:
        pair.compare(at - 1)
        pair.come_to(at, course)
        pair.compare(at)
        if pair.random.random() < 0.5:
            pair.change(course)
            pair.compare(at)
    pair.ahead.store.apply_due()
    assert not pair.ahead.index.scheduled
    pair.compare(INSTANTS[-1])


def _opened(stack: ExitStack, template: Path, file: Path) -> StoreWorld:
    return stack.enter_context(opened(f"sqlite:///{copy(template, file)}", replans=True))
