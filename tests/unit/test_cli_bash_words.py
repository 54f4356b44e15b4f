"""Completion in bash, which breaks words at colons."""

import pytest
import typer

from authz_service.cli.bash_words import completed_whole


@pytest.mark.parametrize(
    ("words", "joined", "proposal", "reply"),
    [
        (["authz", "check", "acme", "user", ":", "al"], "user:al", "user:alice", "alice"),
        (["authz", "check", "acme", "user", ":"], "user:", "user:alice", "alice"),
        (["authz", "check", "acme", "us"], "us", "user:alice", "user:alice"),
        # COMP_WORDBREAKS without a colon: the word comes whole, and so does the proposal.
        (["authz", "check", "acme", "user:al"], "user:al", "user:alice", "user:alice"),
        (
            ["authz", "check", "a", "user", ":", "b", "doc", ":", "1/x", ":", "v"],
            "doc:1/x:v",
            "doc:1/x:view",
            "view",
        ),
    ],
)
def test_words_are_joined_and_replies_cut_at_the_last_colon(
    capsys: pytest.CaptureFixture[str], words: list[str], joined: str, proposal: str, reply: str
) -> None:
    environment = {
        "_AUTHZ_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    with completed_whole(environment):
        typer.echo(proposal)
    asked = environment["COMP_WORDS"].split("\n")
    assert asked[int(environment["COMP_CWORD"])] == joined
    assert capsys.readouterr().out == f"{reply}\n"


def test_what_follows_the_cursor_is_not_joined_to_it() -> None:
    environment = {
        "_AUTHZ_COMPLETE": "complete_bash",
        "COMP_WORDS": "authz\ncheck\nac\nuser\n:\nal",
        "COMP_CWORD": "2",
    }
    with completed_whole(environment):
        pass
    assert environment["COMP_WORDS"] == "authz\ncheck\nac"


def test_a_command_that_nobody_completes_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"COMP_WORDS": "a\n:\nb", "COMP_CWORD": "2"}
    with completed_whole(environment):
        typer.echo("user:alice")
    assert environment == {"COMP_WORDS": "a\n:\nb", "COMP_CWORD": "2"}
    assert capsys.readouterr().out == "user:alice\n"
