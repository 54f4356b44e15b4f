"""The demo holds each effect to what it must be."""

import io

import pytest
from rich.console import Console

from authz_service.cli.demo.storyteller import Storyteller


@pytest.fixture
def teller() -> Storyteller:
    return Storyteller(Console(file=io.StringIO(), width=100))


def printed(teller: Storyteller) -> str:
    file = teller.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_step_that_goes_as_it_must_is_counted(teller: Storyteller) -> None:
    answer = teller.step("May she?", "authz check", lambda: 7, lambda a: f"yes, {a}", "yes, 7")
    teller.end()
    assert answer == 7
    assert "1  May she?" in printed(teller)
    assert "$ authz check" in printed(teller)
    assert printed(teller).endswith("1 steps, 1 as expected\n")


def test_a_step_that_does_not_is_told_apart(teller: Storyteller) -> None:
    teller.step("May she?", "", lambda: False, str, "True")
    teller.end()
    assert teller.surprises == ["step 1: expected True, got False"]
    assert "✗ False, expected: True" in printed(teller)
    assert printed(teller).endswith("1 steps, 0 as expected\n")


def test_a_step_without_an_answer_is_a_surprise_too(teller: Storyteller) -> None:
    def refused() -> None:
        raise LookupError("no such tenant")

    with pytest.raises(LookupError):
        teller.step("Move it", "", refused, str, "done")
    assert teller.surprises == ["step 1: expected an answer, got no such tenant"]
