"""The compiled index answers as Casbin does: random worlds, revisions, instants and questions.

AUTHZ_DIFFERENTIAL_WORLDS sets the number of worlds (50 questions each; `make differential` asks a
million). Each failure prints its seed: `list(answers(seed))` asks that world again.
"""

import ast
from pathlib import Path

import pytest

from authz_service.domain.catalog import Permission
from authz_service.engine.decide import decide
from authz_service.reference import enforcer as reference_enforcer
from authz_service.reference.enforcer import enforcer, request
from authz_service.reference.in_force import rules_in_force
from tests.differential.compare import CHUNKS, MODEL, WORLDS, answers, index_allows, indexes, seeds
from tests.differential.worlds import rounds, world

QUESTIONS = 50


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_index_and_casbin_and_a_plain_reading_of_the_facts_agree(chunk: int) -> None:
    for seed in seeds(chunk):
        given = list(answers(seed))
        assert len(given) == QUESTIONS
        assert [answer for answer in given if not answer.same_answer] == []
        assert [answer for answer in given if not answer.same_reasons] == []


def test_at_least_two_answers_in_five_allow_and_two_in_five_deny() -> None:
    allowed = sum(sum(index_allows(seed)) for seed in range(WORLDS))
    assert 0.4 <= allowed / (WORLDS * QUESTIONS) <= 0.6


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_stock_enforce_over_the_rules_in_force_alone_answers_as_the_index(chunk: int) -> None:
    """Whatever reads the view `casbin_rule`: states, memberships and windows are in it already.

    Undeclared permissions aside, which no use case lets a role or a plan list.
    """
    for seed in seeds(chunk):
        made = world(seed)
        grown = indexes(made)
        for drawn in rounds(made):
            declared = {fact.id for fact in drawn.facts if isinstance(fact, Permission)}
            stock = enforcer(MODEL, rules_in_force(drawn.facts, drawn.at))
            for asked in drawn.questions:
                asked_of_casbin = asked._replace(usage=None)
                answer = decide(grown[drawn.revision], asked_of_casbin, drawn.at).allowed
                if asked.permission in declared:
                    assert stock.enforce(*request(asked)) == answer, (
                        f"{seed=}, {drawn.at=}, {asked}"
                    )


def test_reference_shares_no_code_with_the_engine() -> None:
    folder = Path(reference_enforcer.__file__).parent
    trees = [ast.parse(module.read_text()) for module in folder.glob("*.py")]
    imported = {
        node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    assert {name for name in imported if name and name.startswith("authz_service.engine")} == set()
    assert "authz_service.domain.rules" in imported
