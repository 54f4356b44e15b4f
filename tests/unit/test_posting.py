"""Where endpoints may be, and how long they may take."""

import socket
import time
from typing import Any

import pytest

from authz_service.domain.addresses import public
from authz_service.domain.job import JobReason
from authz_service.jobs.posting import Poster
from authz_service.usecases.delivery.webhook_delivery import PostFailed
from tests.jobs.receiver import receiver


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        "64:ff9b::a9fe:a9fe",
        # One of each entry in IANA's registries, first or last of its range.
        *("0.255.255.255", "10.255.255.255", "100.127.255.255", "169.254.0.0", "172.31.255.255"),
        *("192.0.0.0", "192.0.0.8", "192.0.0.170", "192.0.0.255", "192.31.196.1", "192.52.193.1"),
        *("192.88.99.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1"),
        *("203.0.113.255", "239.255.255.255", "240.0.0.1", "255.255.255.254"),
        *("::ffff:0:127.0.0.1", "::7f00:1", "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1"),
        *("2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1"),
        *("2001:30::1", "2001:db8::1", "2002:808:808::", "2620:4f:8000::1", "3fff:fff::1"),
        *("5f00::1", "fec0::1", "fe80:ffff::1", "febf::1", "fdff::1", "4000::1", "ff0e::1"),
        *("::ffff:192.168.1.1", "::ffff:169.254.169.254", "no-address", ""),
    ],
)
def test_address_that_is_not_of_the_public_internet_is_known(address: str) -> None:
    assert not public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "9.255.255.255", "100.63.255.255", "172.32.0.0", "192.0.1.0", "198.20.0.0"),
        *("223.255.255.255", "2606:4700:4700::1111", "2001:200::1", "2003::1", "2a00:1450::1"),
        *("::ffff:8.8.8.8", "64:ff9b::808:808"),
    ],
)
def test_public_address_is_known(address: str) -> None:
    assert public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433"])
def test_nothing_is_sent_to_this_machine_however_it_is_written(host: str) -> None:
    with receiver() as endpoint:
        port = endpoint.url.split(":")[2].split("/")[0]
        with pytest.raises(PostFailed) as failed:
            Poster(5.0)(f"http://{host}:{port}/", {}, b"{}")
        assert endpoint.got == []
    assert failed.value.reason is JobReason.TARGET_NOT_ALLOWED


def test_name_that_leads_elsewhere_a_moment_later_is_not_followed_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name is looked up once, and what was looked at is connected to."""
    looked_up: list[str] = []
    connected: list[str] = []

    def lookup(host: str, port: int, *_: Any, **__: Any) -> Any:
        looked_up.append(host)
        address = "203.0.114.7" if len(looked_up) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        connected.append(address[0])
        raise OSError("nobody is there")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(PostFailed):
        Poster(5.0)("https://rebinding.example/", {}, b"{}")
    assert (looked_up, connected) == (["rebinding.example"], ["203.0.114.7"])


def test_status_is_returned_and_a_redirect_is_not_followed() -> None:
    with receiver() as endpoint, receiver() as elsewhere:
        endpoint.status, endpoint.location = 302, elsewhere.url
        assert Poster(5.0, private=True)(endpoint.url, {"x": "y"}, b"{}") == 302
        assert (len(endpoint.got), elsewhere.got) == (1, [])
        assert endpoint.got[0].headers["x"] == "y"


def test_endless_answer_is_not_waited_for() -> None:
    with receiver() as endpoint:
        endpoint.status, endpoint.dripping = 200, 0.05
        begin = time.monotonic()
        with pytest.raises(PostFailed) as failed:
            Poster(0.5, private=True)(endpoint.url, {}, b"{}")
        assert time.monotonic() - begin < 5
    assert failed.value.reason is JobReason.ENDPOINT_UNREACHABLE


def test_large_answer_is_not_read_to_its_end() -> None:
    with receiver() as endpoint:
        endpoint.status, endpoint.body = 200, b"x" * 5_000_000
        assert Poster(5.0, private=True)(endpoint.url, {}, b"{}") == 200


def test_endpoint_that_is_not_there_is_said_to_be_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(PostFailed) as failed:
        Poster(5.0, private=True)(f"http://127.0.0.1:{port}/", {}, b"{}")
    assert failed.value.reason is JobReason.ENDPOINT_UNREACHABLE
