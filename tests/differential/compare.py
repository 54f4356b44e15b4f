"""Asks the compiled index, Casbin and the plain reading the same questions."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.window import Instant
from authz_service.engine import builder, decide
from authz_service.engine.index import Index
from authz_service.reference.decision import Reference
from tests.differential.reading import Reading
from tests.differential.worlds import World, rounds, world

MODEL: Final = (Path(__file__).parents[2] / "policies" / "model.conf").read_text()

WORLDS: Final = int(os.environ.get("AUTHZ_DIFFERENTIAL_WORLDS", "200"))
CHUNKS: Final = 8
"""In how many tests the worlds are asked about, so that processes can share the work."""

AS_CASBIN_SEES_IT: Final = {
    DecisionReason.GRANT_EXPIRED: DecisionReason.ROLE_MISSING,
    DecisionReason.ENTITLEMENT_EXPIRED: DecisionReason.NOT_ENTITLED,
}
"""A rule that is no longer in force is not there for Casbin to see."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What each of the three said to one question."""

    seed: int
    revision: int
    at: Instant
    question: Question
    index: DecisionReason
    casbin: DecisionReason
    reading: DecisionReason

    @property
    def same_answer(self) -> bool:
        """Tell whether index and Casbin both allow or both deny."""
        allowed = DecisionReason.ALLOWED
        return (self.index is allowed) == (self.casbin is allowed)

    @property
    def same_reasons(self) -> bool:
        """Tell whether all three say the same, as far as Casbin can say it."""
        seen = AS_CASBIN_SEES_IT.get(self.index, self.index)
        return self.index is self.reading and seen is self.casbin


def indexes(made: World) -> list[Index]:
    """Grow an index delta by delta and keep each version; the revision is the place in the list."""
    grown = [Index.empty()]
    for delta in made.deltas:
        grown.append(builder.apply(grown[-1], delta))
    return grown


def seeds(chunk: int) -> range:
    """Share out the worlds of a run: the seeds of one of its CHUNKS parts."""
    return range(chunk, WORLDS, CHUNKS)


def index_allows(seed: int) -> list[bool]:
    """Ask the questions of one world of the index alone."""
    made = world(seed)
    grown = indexes(made)
    return [
        decide.decide(grown[drawn.revision], asked, drawn.at).allowed
        for drawn in rounds(made)
        for asked in drawn.questions
    ]


def answers(seed: int) -> Iterator[Answers]:
    """Ask all questions of one world, at snapshots kept while the index grew on."""
    made = world(seed)
    grown = indexes(made)
    for drawn in rounds(made):
        casbin = Reference(MODEL, drawn.facts, drawn.at)
        reading = Reading(drawn.facts, drawn.at)
        for asked in drawn.questions:
            decision = decide.decide(grown[drawn.revision], asked, drawn.at)
            if decision.revision != drawn.revision:
                raise AssertionError(f"seed {seed}: {decision} at revision {drawn.revision}")
            yield Answers(
                seed,
                drawn.revision,
                drawn.at,
                asked,
                decision.reason,
                casbin.decide(asked),
                reading.decide(asked),
            )
