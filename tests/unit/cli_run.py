"""The CLI, run in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from authz_service.cli.main import main

AuthzCommand: TypeAlias = Callable[..., "Ran"]


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def failure(self) -> Any:
        return json.loads(self.err)


def authz_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> AuthzCommand:
    """Return a function that runs the CLI in an empty folder, without settings of this machine."""
    for name in ("KEY", "KEY_FILE", "HOST", "CHECK_PORT", "ADMIN_PORT", "DEBUG", "POLICIES_DIR"):
        monkeypatch.delenv(f"AUTHZ_{name}", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, printed.out, printed.err)

    return run
