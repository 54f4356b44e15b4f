"""Secrets at rest: what seals them, what opens them, and what is said without the key."""

import os
from base64 import b64encode
from pathlib import Path

import pytest

from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.store.seals import Seals

KEY, OTHER = (b64encode(bytes([n] * 32)).decode() for n in (1, 2))


def none() -> list[str]:
    return []


def of(keys: str) -> Seals:
    return Seals(keys, random_bytes=os.urandom)


def refused(seals: Seals, sealed: str, of: str = "end-1") -> FailedPrecondition:
    with pytest.raises(FailedPrecondition) as found:
        seals.open(sealed, of)
    assert found.value.reason is ErrorReason.SEALING_KEY_MISSING
    return found.value


def test_secret_is_opened_by_its_key_and_shows_nothing_of_itself() -> None:
    first, second = (of(KEY).seal("whsec_secret", "end-1", none) for _ in range(2))
    assert first != second
    assert "secret" not in first
    assert of(KEY).open(first, "end-1") == of(KEY).open(second, "end-1") == "whsec_secret"


def test_secret_opens_nowhere_but_where_it_was_sealed() -> None:
    sealed = of(KEY).seal("whsec_secret", "end-1", none)
    assert "rotate it" in refused(of(KEY), sealed, "end-2").message
    name, content = sealed.rsplit(":", 1)
    altered = f"{name}:{'B' if content[30] == 'A' else 'A'}".join([content[:30], content[31:]])
    refused(of(KEY), altered)


def test_older_keys_open_and_the_first_one_seals() -> None:
    old = of(KEY).seal("whsec_secret", "end-1", none)
    both = of(f"{OTHER},{KEY}")
    assert both.open(old, "end-1") == "whsec_secret"
    new = both.seal("whsec_secret", "end-1", none)
    assert of(OTHER).open(new, "end-1") == "whsec_secret"
    assert both.unknown([old, new]) == []
    assert of(OTHER).unknown([old, new]) == [old.split(":")[1]]


def test_key_that_is_missing_is_named_with_the_setting_that_lacks_it() -> None:
    sealed = of(KEY).seal("whsec_secret", "end-1", none)
    told = refused(of(OTHER), sealed)
    assert sealed.split(":")[1] in told.message
    assert "AUTHZ_SEALING_KEY" in told.message
    assert KEY not in told.message


@pytest.mark.parametrize("text", ["x", "a" * 43, KEY[:-4], f"{KEY},", "'"])
def test_text_that_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidArgument) as found:
        of(text)
    assert found.value.field == "AUTHZ_SEALING_KEY"
    assert len(text) < 5 or text not in found.value.message


def test_file_is_made_with_the_first_secret_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "sealing.key"
    seals = Seals("", file, os.urandom)
    assert not file.exists()
    sealed = seals.seal("whsec_secret", "end-1", none)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Seals("", file, os.urandom).open(sealed, "end-1") == "whsec_secret"


def test_no_key_is_made_where_something_is_sealed_already(tmp_path: Path) -> None:
    sealed = of(KEY).seal("whsec_secret", "end-1", none)
    seals = Seals("", tmp_path / "sealing.key", os.urandom)
    with pytest.raises(FailedPrecondition):
        seals.seal("whsec_other", "end-2", lambda: [sealed])
    assert not (tmp_path / "sealing.key").exists()


def test_key_that_is_added_seals_and_those_that_run_read_it(tmp_path: Path) -> None:
    file = tmp_path / "sealing.key"
    rotating, running = (Seals("", file, os.urandom) for _ in range(2))
    old = running.seal("whsec_secret", "end-1", none)
    name = rotating.add_key()
    new = rotating.seal("whsec_secret", "end-1", none)
    assert new.split(":")[1] == name != old.split(":")[1]
    assert running.open(new, "end-1") == running.open(old, "end-1") == "whsec_secret"
    assert running.seal("whsec_other", "end-2", none).split(":")[1] == name
