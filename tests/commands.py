"""Commands of the CLI: run here, which is quick, or each as the process that a user starts."""

import io
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from unittest import mock

import pytest

from authz_service.cli.demo.throwaway_server import command
from authz_service.cli.main import main


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


Authz: TypeAlias = Callable[..., Ran]
"""Takes a command's words."""


def run(environment: Mapping[str, str], *arguments: str) -> Ran:
    """Run a command in this process: to start one takes longer than most commands."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main(arguments)
    assert isinstance(ended.value.code, int)
    return Ran(ended.value.code, out.getvalue(), err.getvalue())


def run_process(environment: Mapping[str, str], *arguments: str) -> Ran:
    done = subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def authz_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Authz:
    """Return a function that runs the CLI in an empty folder, without settings of this machine."""
    for name in [name for name in os.environ if name.startswith("AUTHZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run(os.environ, *arguments)
