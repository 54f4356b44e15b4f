"""`docs/policy-tests.md` is true: its commands run and print what it shows."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from authz_service.domain.policy_case import ANSWERS
from tests.commands import Authz, authz_command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policy-tests.md").read_text()
COMMANDS = re.findall(r"^\$ authz (.+)\n((?:(?!\$ |```).*\n)*)", PAGE, re.MULTILINE)

authz = pytest.fixture(authz_command)


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def kinds(text: str) -> list[str]:
    """Write N for the numbers of the shipped policy, which grows."""
    numbered = (re.sub(r"\d[\d,]*", "N", line) for line in text.splitlines())
    cut = (re.sub(r"(N of N|TOUCHED) .*", r"\1", line) for line in numbered)
    return [" ".join(line.split()) for line in cut]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Set up what the page has: the policy, its sample and the changed copy."""
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    (sample,) = re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / "my-cases").mkdir()
    (tmp_path / "my-cases" / "reports.yaml").write_text(sample)
    shutil.copytree(ROOT / "policies", tmp_path / "changed")
    tiers = tmp_path / "changed" / "tiers.yaml"
    tiers.write_text(tiers.read_text().replace("      - reports:export\n", ""))
    return tmp_path


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == 6


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_each_command_of_the_page_prints_what_the_page_shows(
    authz: Authz, folder: Path, command: str, shown: str
) -> None:
    ran = authz(*shlex.split(command))
    assert ran.code == (1 if "failed" in shown else 0), ran.err
    if shown:
        told = lines if "my-cases" in command else kinds
        assert told(ran.out) == told(shown)
    if "--junit" in command:
        assert (folder / "var" / "policy-tests.xml").is_file()


def test_the_page_names_every_answer() -> None:
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(ANSWERS) <= named
