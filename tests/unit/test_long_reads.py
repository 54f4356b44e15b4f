"""What administration hears of a long read: what it finds, why it is refused, that it is lost."""

import threading
from collections.abc import Callable
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import pytest

from authz_service.app.long_reads import Elsewhere
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument, ResourceExhausted, Unavailable
from authz_service.store.database import Database
from authz_service.usecases.audit.auditing import VerifyAudit, verify_audit
from authz_service.usecases.kernel.execution import View

QUERY = VerifyAudit(tenant="acme")


def asked(folder: Path, answer: Callable[[Any], Any]) -> Any:
    """Ask a process that does with the connection what it is told to."""
    with Listener(str(folder / "reads"), "AF_UNIX") as listener:

        def serve() -> None:
            with listener.accept() as caller:
                assert caller.recv()[:2] == ((verify_audit.body.__module__, "verify_audit"), QUERY)
                answer(caller)

        threading.Thread(target=serve, daemon=True).start()
        view = View(Index.empty(), Database(f"sqlite:///{folder}/none.db"), 7)
        return Elsewhere(str(listener.address))(verify_audit, view, QUERY)


def test_what_it_finds_is_answered(tmp_path: Path) -> None:
    assert asked(tmp_path, lambda caller: caller.send(("found", None))) == "found"


@pytest.mark.parametrize(
    "refusal",
    [
        InvalidArgument(ErrorReason.INVALID_FIELD, "no", field="at", details={"a": "b"}),
        ResourceExhausted(ErrorReason.OVERLOADED, "later", retry_after=3),
    ],
)
def test_refusal_arrives_whole(tmp_path: Path, refusal: InvalidArgument) -> None:
    with pytest.raises(type(refusal), match=refusal.message) as raised:
        asked(tmp_path, lambda caller: caller.send((None, refusal)))
    assert vars(raised.value) == vars(refusal)


def test_call_is_lost_with_the_process(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        asked(tmp_path, lambda caller: caller.close())
    assert raised.value.reason is ErrorReason.CALL_LOST
