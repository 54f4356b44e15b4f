"""What the house tests look at."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "authz_service"


@cache
def modules() -> tuple[Path, ...]:
    """Return every module of ours that a person wrote."""
    found = (path for path in PACKAGE.rglob("*.py") if PACKAGE / "gen" not in path.parents)
    return tuple(sorted(found))


@cache
def parsed(module: Path) -> ast.Module:
    """Return the module's syntax tree."""
    return ast.parse(module.read_text())


@cache
def repository_files() -> tuple[Path, ...]:
    """Return the files that git tracks, or would track at the next `git add`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def name(path: Path) -> str:
    """Return the path as a person at the root would write it."""
    return str(path.relative_to(ROOT))
