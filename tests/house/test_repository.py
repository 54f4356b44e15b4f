"""The repository works on any machine, and says how."""

import re
import subprocess
from importlib.metadata import packages_distributions

from tests.house.tree import ROOT, name, repository_files

# Spelt apart, so that this file does not name them either.
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com"]
REGISTRIES += ["deb." + "debian.org", "security." + "debian.org", "proxy." + "golang.org"]
MACHINE_PATHS = ["/" + "work/", "/" + "root/", "/" + "tmp/scratch", "/" + "opt/wheels"]
MACHINE_PATHS += ["/" + "opt/pypi", "file:" + "///"]


def files_that_hold(pattern: str) -> list[str]:
    """Return `file: match` for the first match in each file of the repository."""
    search = re.compile(pattern.encode()).search
    return [
        f"{name(path)}: {found.group().decode()}"
        for path in repository_files()
        if (found := search(path.read_bytes()))
    ]


def test_no_file_names_a_package_registry() -> None:
    assert files_that_hold("|".join(map(re.escape, REGISTRIES))) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    # After a letter it is the middle of some other path.
    assert files_that_hold(rf"(?<![\w.-])({'|'.join(map(re.escape, MACHINE_PATHS))})") == []


def test_casbin_comes_from_its_maintained_distribution_alone() -> None:
    assert set(packages_distributions()["casbin"]) == {"pycasbin"}


def test_the_two_commands_are_there_and_the_readme_names_them() -> None:
    makefile = (ROOT / "Makefile").read_text()
    readme = (ROOT / "README.md").read_text()
    for command in ("run", "test"):
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)
        assert f"make {command}" in readme


def test_ci_runs_the_command_that_people_run() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"


def test_every_make_command_that_the_help_lists_is_no_file() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    commands = {line.split()[1] for line in shown.stdout.splitlines() if line.startswith("make ")}
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert commands <= set(phony.group(1).split())
    assert {"run", "test", "demo", "bench"} <= commands
