"""Mounts of the HTTP edge: each held to its own limits, none held up by another."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

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
def served(*mounts: Mount) -> Iterator[int]:
    server = WebServer(WebSettings("127.0.0.1", 0, "tests"), mounts)
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
