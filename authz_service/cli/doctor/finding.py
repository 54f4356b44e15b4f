"""What `authz doctor` found out about one thing, and what to do about it."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from authz_service.client.failure import Failure, advice_on
from authz_service.errors import AuthzError


class State(StrEnum):
    """`WARNING`: it works, or could not be looked at; somebody should know."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """`advice` is "" if there is nothing to do."""

    name: str
    state: State
    message: str
    advice: str = ""


def ok(name: str, message: str) -> Finding:
    return Finding(name, State.OK, message)


def warning(name: str, message: str, advice: str = "") -> Finding:
    return Finding(name, State.WARNING, message, advice)


def problem(name: str, message: str, advice: str) -> Finding:
    return Finding(name, State.PROBLEM, message, advice)


def examined(name: str, look: Callable[[], Finding]) -> Finding:
    """Look at one thing; whatever goes wrong meanwhile is found out about it."""
    try:
        return look()
    except Failure as failure:
        return problem(name, failure.message, failure.advice)
    except AuthzError as error:
        return problem(name, _said(error), advice_on(error.reason))
    except Exception as error:  # noqa: BLE001 - one broken thing must not hide the others
        advice = "see the message; AUTHZ_DEBUG=1 on another command shows where it comes from"
        return problem(name, f"{type(error).__name__}: {_first_line(error)}", advice)


def _said(error: AuthzError) -> str:
    """Give the message and the driver's own words, without statements and values."""
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    return f"{error.message} ({_first_line(cause)})" if cause is not None else error.message


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].strip()
