"""Somebody who reads a page and does what it says, against a server of their own."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from authz_service.cli.demo.throwaway_server import Trial
from authz_service.cli.main import main
from tests.docs.pages import ROOT, Command, File, difference, steps

PLAIN: Final = re.compile(r"authz( [^|;&<>()`]*)?")
ASSIGNMENT: Final = re.compile(r"([A-Z_]+)=(\$\(.+\))")


class Reader:
    """A shell in a folder; `authz` is run in this process, so that a page takes a moment."""

    def __init__(
        self,
        server: Trial,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._folder = folder
        self._addresses = {
            "localhost:50051": server.check_address,
            "localhost:50052": server.admin_address,
            "localhost:8080": f"127.0.0.1:{server.environment.get('AUTHZ_WEB_PORT', '8080')}",
        }
        monkeypatch.chdir(folder)
        bin_ = Path(sys.executable).parent
        told: Mapping[str, str] = {
            **server.environment,
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        for name in [name for name in os.environ if name.startswith("AUTHZ_")]:
            monkeypatch.delenv(name)
        for name, value in told.items():
            monkeypatch.setenv(name, value)

    def follow(self, page: Path) -> int:
        """Do every step of the page; return how many commands were run."""
        done = [self._step(page, step) for step in steps(page)]
        return sum(done)

    def _step(self, page: Path, step: File | Command) -> bool:
        match step:
            case File(_, name, content):
                (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
                (self._folder / name).write_text(self._here(content))
                return False
            case Command(line, text, code, shown):
                ended, printed = self._run(self._here(text))
                where = f"{page.name}:{line}: $ {text}"
                assert ended == code, f"{where}\nended with {ended}:\n{printed}"
                missing = difference(tuple(map(self._here, shown)), printed)
                assert missing is None, f"{where}\ndoes not print\n{missing}\nbut\n{printed}"
                return True

    def _here(self, text: str) -> str:
        for shown, real in self._addresses.items():
            text = text.replace(shown, real)
        return text

    def _run(self, text: str) -> tuple[int, str]:
        if PLAIN.fullmatch(text):
            return self._authz(shlex.split(os.path.expandvars(text), comments=True)[1:])
        if text.startswith("export "):  # every variable is
            return 0, ""
        if named := ASSIGNMENT.fullmatch(text):
            code, printed = self._shell(f"printf %s {named.group(2)}")
            self._monkeypatch.setenv(named.group(1), printed)
            return code, printed
        return self._shell(text)

    def _authz(self, arguments: list[str]) -> tuple[int, str]:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out + printed.err

    def _shell(self, text: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", text], cwd=self._folder, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr
