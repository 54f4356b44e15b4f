"""Secrets of sources: two at most, changed without a restart, never repeated."""

import json
from pathlib import Path

import pytest

from authz_service.domain.billing_policy import BillingPolicy, Scheme, Source
from authz_service.errors import InvalidArgument
from authz_service.web.webhook_secrets import EventSecrets

POLICY = BillingPolicy(
    sources={
        "stripe": Source("stripe", Scheme.STRIPE, {}),
        "std": Source("std", Scheme.STANDARD_WEBHOOKS, {}),
    }
)


def test_source_without_a_secret_has_none() -> None:
    assert EventSecrets({"stripe": ["a"]}, None, lambda: POLICY).of("std") == ()


@pytest.mark.parametrize(
    "given",
    [
        {"stripe": []},
        {"stripe": ["one", "two", "three"]},
        {"stripe": [""]},
        {"stripe": "hidden"},
        {"std": ["whsec_hidden!"]},
        {"std": ["whsec_"]},
    ],
)
def test_wrong_secrets_are_refused_and_not_repeated(given: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidArgument) as raised:
        EventSecrets(given, None, lambda: POLICY)
    assert raised.value.field == "AUTHZ_EVENT_SECRETS"
    assert "hidden" not in raised.value.message


def test_file_is_read_again_when_it_changes_and_a_wrong_one_leaves_the_good_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({"stripe": ["old"]}))
    secrets = EventSecrets({"stripe": ["environment"]}, file, lambda: POLICY)
    assert secrets.of("stripe") == ("old",)
    file.write_text(json.dumps({"stripe": ["new", "old"]}))
    assert secrets.of("stripe") == ("new", "old")
    file.write_text("{")
    assert secrets.of("stripe") == ("new", "old")
    file.write_text("{}")
    assert secrets.of("stripe") == ("environment",)


def test_file_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read"):
        EventSecrets({}, tmp_path / "none.json", lambda: POLICY)
