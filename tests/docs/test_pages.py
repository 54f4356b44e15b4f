"""What the pages for people say is so: their commands run, and show what the pages show."""

import json
import re
import shutil
import socket
from pathlib import Path
from typing import Final

import pytest
from typer.main import get_command

from authz_service.cli.demo.throwaway_server import trial_server
from authz_service.cli.main import app
from authz_service.config import Settings
from tests.docs.pages import ROOT, Command, difference, mentioned, people_pages, steps
from tests.docs.reader import Reader

COMMAND: Final = get_command(app)
OWN_TEST: Final = {"policy-tests.md": "tests/unit/test_policy_cases_docs.py"}
"""Pages whose commands need no server; they are run elsewhere."""

ELSEWHERE: Final = {"AUTHZ_DEBUG", "AUTHZ_DIFFERENTIAL_WORLDS", "AUTHZ_TEST_POSTGRES_URL"}
"""Variables that are read, and are no settings of the server."""

SECRETS: Final = {
    "stripe": ["whsec_dGVzdA"],
    "hubspot": ["hubspot-secret"],
    "chargebee": ["authz:chargebee-password"],
}
WITH_COMMANDS: Final = [
    page
    for page in people_pages()
    if page.name not in OWN_TEST and any(isinstance(step, Command) for step in steps(page))
]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_commands_of_the_page_show_what_it_shows(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "reader"
    for name in ("proto", "policies"):
        shutil.copytree(ROOT / name, folder / name)
    (tmp_path / "server").mkdir()
    settings = {
        "AUTHZ_WEB_PORT": free_port(),
        "AUTHZ_EVENT_SECRETS": json.dumps(SECRETS),
        "AUTHZ_POLICIES_DIR": str(folder / "policies"),
    }
    with trial_server(tmp_path / "server", settings) as server:
        assert Reader(server, folder, monkeypatch, capsys).follow(page)


def free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def test_the_guides_have_commands() -> None:
    guides = {"calling", "policy-authors", "connect-stripe", "connect-crm", "customer-admin"}
    guides |= {"connect-chargebee"}
    assert {f"{each}.md" for each in guides} <= {page.name for page in WITH_COMMANDS}


@pytest.mark.parametrize("page", people_pages(), ids=lambda page: page.name)
def test_every_command_that_is_mentioned_exists_with_its_options(page: Path) -> None:
    wrong = [f"{line}: {text}" for line, text in mentioned(page) if not known(text.split()[1:])]
    assert wrong == []


def known(words: list[str]) -> bool:
    """Tell whether the words lead to a command, and every option is one of its."""
    command = COMMAND
    while words and (below := getattr(command, "commands", {}).get(words[0])) is not None:
        command, words = below, words[1:]
    options = {
        each for parameter in command.params for each in parameter.opts + parameter.secondary_opts
    }
    asked = {word.partition("=")[0].rstrip(",.)") for word in words if word.startswith("--")}
    is_group = hasattr(command, "commands")
    stray = is_group and any(not word.startswith(("-", "#")) for word in words)
    return asked <= options | {"--help"} and not stray


@pytest.mark.parametrize("page", people_pages(), ids=lambda page: page.name)
def test_every_setting_that_is_mentioned_exists(page: Path) -> None:
    names = {f"AUTHZ_{name.upper()}" for name in Settings.model_fields} | ELSEWHERE
    said = set(re.findall(r"AUTHZ_[A-Z_]*[A-Z]\b(?!_?\*)", page.read_text()))
    assert said - names == set()


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        (("a  b", "c"), "a b\nx\nc\n", None),
        (("a", "c"), "c\na\n", "c"),
        (("key-...  made",), "key-123 made", None),
        (("key-...",), "the key-123", "key-..."),
        (("...", "z"), "z", None),
    ],
)
def test_what_is_shown_is_compared_line_by_line_and_in_order(
    shown: tuple[str, ...], printed: str, missing: str | None
) -> None:
    assert difference(shown, printed) == missing
