"""Mounts of the HTTP edge: each held to its own limits, none held up by another."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from authz_service.web.connections import ConnectionLimits
from authz_service.web.mounts import Mount, MountLimits, Threads
from authz_service.web.server import WebServer, WebSettings

LIMITS: Final = MountLimits(threads=2, requests=4, body_bytes=100, body_seconds=0.5)
PATIENCE: Final = 10.0


def answering(work: Callable[[], str], threads: Threads) -> list[Route]:
    """Make a route that reads the body and answers with what `work` returns."""

    async def post(request: Request) -> PlainTextResponse:
        await request.body()
        return PlainTextResponse(await threads.run(work))

    return [Route("/{mount}/it", post, methods=["POST"])]


class Stalled:
    """A mount whose work does not end until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()

    def work(self) -> str:
        self.begun.release()
        self.release.wait(PATIENCE)
        return "at last"


@contextmanager
def served(
    *mounts: Mount,
    connections: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - frozen
) -> Iterator[int]:
    server = WebServer(WebSettings("127.0.0.1", 0, "tests"), mounts, connections)
    server.start()
    try:
        yield server.number
    finally:
        server.stop()


def post(port: int, path: str, body: bytes = b"x") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def quick(path: str) -> Mount:
    return Mount(path, LIMITS, partial(answering, lambda: "done"))


def test_stalled_mount_does_not_hold_up_another() -> None:
    stalled = Stalled()
    slow = Mount("/slow", LIMITS, partial(answering, stalled.work))
    with served(slow, quick("/events")) as port:
        callers = [threading.Thread(target=post, args=(port, "/slow/it")) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            for _ in range(LIMITS.threads):
                assert stalled.begun.acquire(timeout=PATIENCE)
            assert [post(port, "/events/it") for _ in range(10)] == [(200, "done")] * 10
        finally:
            stalled.release.set()
        for caller in callers:
            caller.join()


def test_mount_refuses_more_requests_than_it_may_hold_and_others_serve_on() -> None:
    stalled = Stalled()
    limits = MountLimits(threads=1, requests=1)
    slow = Mount("/slow", limits, partial(answering, stalled.work))
    with served(slow, quick("/events")) as port:
        caller = threading.Thread(target=post, args=(port, "/slow/it"))
        caller.start()
        try:
            assert stalled.begun.acquire(timeout=PATIENCE)
            status, message = post(port, "/slow/it")
            assert (status, "too many" in message) == (503, True)
            assert post(port, "/events/it") == (200, "done")
        finally:
            stalled.release.set()
        caller.join()
        assert post(port, "/slow/it") == (200, "at last")


def test_body_that_never_ends_is_given_up_and_holds_nobody_up() -> None:
    with served(quick("/slow"), quick("/events")) as port:
        senders = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(4)]
        for sender in senders:
            sender.sendall(b"POST /slow/it HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")
        assert post(port, "/events/it") == (200, "done")
        assert all(b" 408 " in sender.recv(4096) for sender in senders)
        for sender in senders:
            sender.close()


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
def test_body_is_held_to_the_size_of_its_mount(size: int, status: int) -> None:
    roomy = Mount("/roomy", MountLimits(body_bytes=1000), partial(answering, lambda: "done"))
    with served(quick("/events"), roomy) as port:
        assert post(port, "/events/it", b"x" * size)[0] == status
        assert post(port, "/roomy/it", b"x" * size) == (200, "done")


def test_paths_that_nothing_is_mounted_under_are_not_found() -> None:
    with served(quick("/events")) as port:
        assert post(port, "/other")[0] == 404


SHORT: Final = ConnectionLimits(header_seconds=0.3, idle_seconds=0.3, reader_seconds=0.3, idle=5)


EMPTY: Final = b"POST /events/it HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


def connected(port: int, *sent: bytes) -> list[socket.socket]:
    """Connect once for each text, and send it."""
    opened = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in sent]
    for connection, text in zip(opened, sent, strict=True):
        connection.sendall(text)
    return opened


def ended(connection: socket.socket) -> bool:
    """Tell whether the server has hung up, once it has or a while has passed."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    finally:
        connection.close()
    return True


@pytest.mark.parametrize(
    "sent", [b"", b"GET /events/it HT", b"GET /events/it HTTP/1.1\r\nHost: a\r\nX: "]
)
def test_connection_whose_headers_never_end_is_closed(sent: bytes) -> None:
    with served(quick("/events"), connections=SHORT) as port:
        assert all(ended(each) for each in connected(port, *[sent] * 3))


def test_kept_connection_that_is_silent_is_closed() -> None:
    with served(quick("/events"), connections=SHORT) as port:
        (kept,) = connected(port, EMPTY)
        assert b" 200 " in kept.recv(4096)
        assert ended(kept)


def test_any_number_of_silent_connections_makes_room_for_one_that_speaks() -> None:
    limits = ConnectionLimits(header_seconds=PATIENCE, idle=5)
    with served(quick("/events"), connections=limits) as port:
        silent = connected(port, *[b""] * 50)
        assert post(port, "/events/it") == (200, "done")
        for each in silent:
            each.close()


def test_reader_that_does_not_read_is_cut_and_its_place_given_back() -> None:
    much = "x" * (16 << 20)
    mount = Mount("/much", MountLimits(requests=1), partial(answering, lambda: much))
    with served(mount, connections=SHORT) as port:
        (unread,) = connected(port, EMPTY.replace(b"events", b"much"))
        deadline = time.monotonic() + PATIENCE
        while (answer := post(port, "/much/it"))[0] == 503 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert answer == (200, much)
        unread.close()


def test_bodies_that_never_come_make_room_for_one_that_does() -> None:
    limits = MountLimits(threads=1, requests=3, body_seconds=PATIENCE)
    mount = Mount("/events", limits, partial(answering, lambda: "done"))
    with served(mount) as port:
        half = b"POST /events/it HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"
        senders = connected(port, *[half] * 3)
        time.sleep(0.2)
        assert [post(port, "/events/it") for _ in range(3)] == [(200, "done")] * 3
        assert b" 408 " in senders[0].recv(4096)
        for each in senders:
            each.close()
