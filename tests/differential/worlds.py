"""Random worlds in which names collide, and random questions about them.

A world is a sequence of deltas, as the change log would hold them, drawn from one seed. Alphabets
are small on purpose: tenants are named like roles, tiers and Casbin's own words, subject and scope
ids hold `@`, and the same id is a user, a service and a member of staff.
"""

from dataclasses import dataclass
from random import Random

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Delta, Fact
from authz_service.domain.decision import Question, Usage
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.domain.window import Instant
from tests.differential.history import History, Key, key
from tests.differential.making import INSTANTS, LIMITS, PERMISSIONS, SCOPES, Making

NEXT_TO_INSTANTS = tuple(edge + step for edge in INSTANTS for step in (-1, 0, 0, 1))
"""Where a window begins or ends, and one microsecond to each side."""


@dataclass(frozen=True, slots=True)
class World:
    seed: int
    deltas: tuple[Delta, ...]
    tenants: tuple[str, ...]
    subjects: tuple[str, ...]

    def facts_at(self, revision: int) -> tuple[Fact, ...]:
        """Replay the changes up to a revision, sharing nothing with `engine/builder.py`."""
        facts: dict[Key, Fact] = {}
        for delta in self.deltas[:revision]:
            for change in delta.changes:
                if change.before is not None:
                    del facts[key(change.before)]
                if change.after is not None:
                    facts[key(change.after)] = change.after
        return tuple(facts.values())


@dataclass(frozen=True, slots=True)
class Round:
    """Some questions asked at one revision and one instant."""

    revision: int
    at: Instant
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]


def world(seed: int) -> World:
    """Draw a world: a catalogue, its tenants, then a dozen revisions of changes to both."""
    making = Making(Random(f"world {seed}"), History())
    making.catalogue()
    making.history.commit()
    for tenant in making.tenants:
        making.tenant(tenant)
    making.history.commit()
    for _ in range(making.random.randint(6, 12)):
        for _ in range(making.random.randint(1, 4)):
            making.change_something()
        making.history.commit()
    return World(seed, tuple(making.history.deltas), making.tenants, making.subjects)


def rounds(made: World, count: int = 10, questions: int = 5) -> list[Round]:
    """Draw `count` rounds, each at a revision that has tenants and near a window's edge."""
    random = Random(f"questions {made.seed}")
    drawn = []
    for _ in range(count):
        revision = random.randint(2, len(made.deltas))
        facts = made.facts_at(revision)
        asked = tuple(question(random, made, facts) for _ in range(questions))
        drawn.append(Round(revision, random.choice(NEXT_TO_INSTANTS), facts, asked))
    return drawn


def question(random: Random, made: World, facts: tuple[Fact, ...]) -> Question:
    """Draw a question: most aim at what some grant may give, the rest at anything."""
    grants = [fact for fact in facts if isinstance(fact, RoleGrant)]
    usage = None
    if random.random() < 0.15:
        usage = Usage(random.choice(LIMITS), random.randint(0, 4), random.randint(0, 2))
    if grants and random.random() < 0.88:
        aim = random.choice(grants)
        held = sorted(_likely(facts, aim.role)) if random.random() < 0.95 else []
        inside = [scope for scope in SCOPES if not aim.scope or aim.scope in enclosing(scope)]
        return Question(
            aim.tenant if random.random() < 0.95 else random.choice(made.tenants),
            aim.subject,
            random.choice(held or PERMISSIONS),
            enclosing(random.choice(inside if aim.scope else [*inside, ""])),
            usage,
        )
    return Question(
        random.choice((*made.tenants, "nowhere")),
        random.choice((*made.subjects, "user:nobody")),
        random.choice((*PERMISSIONS, "never:heard")),
        enclosing(random.choice((*SCOPES, ""))),
        usage,
    )


def _likely(facts: tuple[Fact, ...], role_id: str) -> set[str]:
    """Name what a role and the roles it includes list and what is declared, if possible sold."""
    roles = {fact.id: fact for fact in facts if isinstance(fact, Role)}
    declared = {fact.id for fact in facts if isinstance(fact, Permission)}
    sold = {name for fact in facts if isinstance(fact, Plan) for name in fact.permissions}
    found: set[str] = set()
    waiting = [role_id]
    for name in waiting:
        if name in roles:
            found |= roles[name].permissions & declared
            waiting += sorted(roles[name].includes)
    return found & sold or found
