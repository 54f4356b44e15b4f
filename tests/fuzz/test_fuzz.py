"""Whatever is sent, to any RPC, by anybody: the end is clean, and nothing comes apart."""

import os
import secrets
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from authz_service.app import setup
from authz_service.config import Settings
from authz_service.serving import logs
from tests.fuzz.callers import STRONG
from tests.fuzz.rounds import Found, play
from tests.postgres import fresh_database
from tests.services import RPCS

REQUESTS: Final = int(os.environ.get("AUTHZ_FUZZ_REQUESTS", "2000"))
A_ROUND: Final = 1000
FRESH: Final = int(os.environ.get("AUTHZ_FUZZ_SEED", "0")) or secrets.randbelow(10**9)
"""The seed that is new in every run; it is printed, and chosen by AUTHZ_FUZZ_SEED."""
SEEDS: Final = [*range(REQUESTS // A_ROUND - 1), "fresh"]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_request_ends_uncleanly_and_nothing_comes_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int | str
) -> None:
    _played(tmp_path, capsys, FRESH if seed == "fresh" else int(seed), A_ROUND)


def test_nothing_comes_apart_on_postgresql_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], postgres_base_url: str
) -> None:
    with fresh_database(postgres_base_url) as url:
        setup.migrate(Settings(database_url=url))
        _played(tmp_path, capsys, FRESH, 300, database_url=url)


def _played(
    folder: Path, capsys: pytest.CaptureFixture[str], seed: int, requests: int, **settings: Any
) -> None:
    logs.set_up("debug", "json")
    try:
        found = play(folder, seed, requests, **settings)
    finally:
        structlog.reset_defaults()
    logged = capsys.readouterr().err
    with capsys.disabled():
        _report(seed, found)
    told = "\n".join([f"AUTHZ_FUZZ_SEED={seed}", *map(str, found.unclean[:20])])
    assert not found.unclean, told
    assert found.ends["OK"] > requests // 10, f"too few got anywhere, AUTHZ_FUZZ_SEED={seed}"
    assert all(found.answered[each] for each in STRONG), found.answered
    assert '"event": "call failed"' not in logged
    for secret in found.secrets:
        assert secret not in logged


def _report(seed: int, found: Found) -> None:
    ends = ", ".join(f"{count} {name}" for name, count in found.ends.most_common())
    told = [f"\nfuzz, AUTHZ_FUZZ_SEED={seed}: {sum(found.ends.values())} requests: {ends}"]
    if "AUTHZ_FUZZ_REQUESTS" in os.environ:
        never = sorted(set(RPCS) - set(Counter(+found.rpcs)))
        told.append(f"  never answered OK in this round: {', '.join(never) or 'none'}")
    sys.stdout.write("\n".join(told) + "\n")
