"""Text of senders: names as people paste them, and nothing that misleads a reader."""

import pytest

from authz_service.usecases.billing.values import label, sound


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Acme\u00a0GmbH", "Acme GmbH"),
        (" Acme\r\nGmbH ", "Acme GmbH"),
        ("Acme\u200b\u2060 GmbH", "Acme GmbH"),
        ("Ångström & Søn", "Ångström & Søn"),
        (None, ""),
    ],
)
def test_name_is_read_as_people_paste_it(written: str | None, read: str) -> None:
    assert label(written, "display_name") == read


def test_what_misleads_or_cannot_be_stored_is_escaped_in_keys_and_texts() -> None:
    sent = {"a\x00": ["\ud800", "x\u202ey", "\u2066z", 1, None]}
    assert sound(sent) == {"a\\u0000": ["\\ud800", "x\\u202ey", "\\u2066z", 1, None]}
