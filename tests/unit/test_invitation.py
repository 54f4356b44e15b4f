"""What a token opens, and what an address may be."""

from dataclasses import replace

import pytest

from authz_service.domain.invitation import Invitation, checked_address, digest, write
from authz_service.errors import ErrorReason, InvalidArgument

TOKEN = write("s" * 43)
SENT = Invitation("i1", "acme", "nina@example.com", token_hash=digest(TOKEN), expires_at=100)


def test_a_token_opens_its_invitation_until_the_instant_it_ends() -> None:
    assert SENT.opens(digest(TOKEN), "user:nina", 99)
    assert not SENT.opens(digest(TOKEN), "user:nina", 100)


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "s", "s" * 43, TOKEN.upper()])
def test_no_other_token_opens_it(token: str) -> None:
    assert not SENT.opens(digest(token), "user:nina", 0)


def test_an_invitation_of_a_subject_opens_for_that_subject_alone() -> None:
    to_nina = replace(SENT, subject="user:nina")
    assert to_nina.opens(digest(TOKEN), "user:nina", 0)
    assert not to_nina.opens(digest(TOKEN), "user:mallory", 0)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Invitation("i2", "acme", email="nina@example.com"), True),
        (Invitation("i2", "acme", email="nina@example.com", subject="user:x"), True),
        (Invitation("i2", "acme", email="vera@example.com"), False),
        (Invitation("i2", "acme", subject="user:nina"), False),
    ],
)
def test_two_invitations_reach_one_person_by_address_or_by_subject(
    other: Invitation, same: bool
) -> None:
    assert SENT.reaches(other) is same
    assert other.reaches(SENT) is same
    assert replace(SENT, email="", subject="user:x").reaches(other) is (other.subject == "user:x")


@pytest.mark.parametrize(
    "address", ["nina@example.com", "Nina.O'Brien+acme@mail.Example.COM", "ö@example.de"]
)
def test_an_address_is_kept_in_lower_case(address: str) -> None:
    assert checked_address(address, "email") == address.lower()


@pytest.mark.parametrize(
    "text",
    [
        "nina", "@example.com", "nina@", "nina@localhost", "a b@example.com", "a@b@example.com",
        "nina@example.com\n", "<nina@example.com>", "nina@example.c", "x" * 65 + "@example.com",
        "nina@" + "x" * 250 + ".com", "nina\x00@example.com", "a,b@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        checked_address(text, "email")
    assert (raised.value.reason, raised.value.field) == (ErrorReason.INVALID_FIELD, "email")
    assert text not in raised.value.message
