"""The difference between two contracts, aspect by aspect: what is to be done to the account.

An aspect that both contracts agree on is not touched, so what people changed by hand stays until
an event changes that very aspect. Every action is absolute ("the tier is pro"), never relative, so
applying differences one after the other ends where applying them all at once would.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from authz_service.domain.contract import Admin, Contract, Terms
from authz_service.domain.tenant import StatePeriod, TenantState
from authz_service.domain.window import BEGINNING, FOREVER, Instant, Window, rfc3339


class Aspect(StrEnum):
    """What of an account a contract decides; in the order in which it is done."""

    OPENING = "opening"
    REOPENING = "reopening"
    DISPLAY_NAME = "display_name"
    TIER = "tier"
    ADD_ON = "add_on"
    LIMIT = "limit"
    STATE = "state"
    PAUSE = "pause"
    ADMINS = "admins"
    END = "end"


Phased: TypeAlias = tuple[tuple[Any, Window], ...]
"""Values, and when each holds."""


@dataclass(frozen=True, slots=True)
class Action:
    """Let an aspect of the account be `after`. `name` says which add-on or limit is meant.

    `after` is: a text (DISPLAY_NAME), `Phased` tiers, add-ons (True) or limits, periods (STATE),
    True or False (PAUSE, OPENING, REOPENING, END), several `Admin` (ADMINS).
    """

    aspect: Aspect
    after: Any
    before: Any = None
    name: str = ""

    @property
    def summary(self) -> str:
        """Say it in a few words: `tier: free -> professional`."""
        label = f"{self.aspect.value} {self.name}".strip()
        if self.after is True and self.before in (None, False, ()):
            return label
        return f"{label}: {_said(self.before)} -> {_said(self.after)}"


_FROM_NOW: Final = BEGINNING


def difference(before: Contract, after: Contract, now: Instant) -> tuple[Action, ...]:
    """List what leads an account from one contract to the other, in the order to do it.

    An account that was over is led to the whole of the new contract: what its events said in the
    meantime was never done to it.
    """
    if after.over(now):
        return () if before.over(now) else (Action(Aspect.END, True),)
    reopened = before.over(now)
    was = {} if reopened else aspects(before, now)
    actions = _actions(was, aspects(after, now))
    if reopened:  # also what is not so any more: a pause, an add-on, a limit
        return (Action(Aspect.REOPENING, True), *actions)
    return tuple(action for action in actions if action.after or action.before)


def _actions(
    was: dict[tuple[Aspect, str], Any], command: dict[tuple[Aspect, str], Any]
) -> tuple[Action, ...]:
    told = {key for key in was | command if was.get(key) != command.get(key)}
    order = list(Aspect)
    return tuple(
        Action(aspect, command.get((aspect, name)), was.get((aspect, name)), name)
        for aspect, name in sorted(told, key=lambda key: (order.index(key[0]), key[1]))
    )


def opening(contract: Contract, now: Instant) -> tuple[Action, ...]:
    """List what opens an account by a contract; one that is over leaves an ended account."""
    first = Action(Aspect.OPENING, True)
    if contract.over(now):
        whole = _actions({}, aspects(contract, now))
        return first, *(a for a in whole if a.aspect is not Aspect.ADMINS), Action(Aspect.END, True)
    return first, *difference(Contract(), contract, now)


def closes(before: Contract, after: Contract, now: Instant) -> bool:
    """Tell whether the step from one contract to the other takes the account from its people."""
    return _open(before, now) and not _open(after, now)


def aspects(contract: Contract, now: Instant) -> dict[tuple[Aspect, str], Any]:
    """Name everything that the contract says of the account from `now` on."""
    contract = contract.settled(now)
    found: dict[tuple[Aspect, str], Any] = {
        (Aspect.DISPLAY_NAME, ""): contract.display_name,
        (Aspect.TIER, ""): _phased(contract, lambda terms: terms.tier or None),
        (Aspect.STATE, ""): contract.periods(now),
        (Aspect.PAUSE, ""): contract.paused,
        (Aspect.ADMINS, ""): contract.admins,
    }
    for add_on in contract.sold:
        found[Aspect.ADD_ON, add_on] = _phased(contract, lambda t, a=add_on: a in t.add_ons or None)
    for limit in contract.limited:
        found[Aspect.LIMIT, limit] = _phased(contract, lambda t, n=limit: _amount(t, n))
    return found


def _open(contract: Contract, now: Instant) -> bool:
    shut = (TenantState.SUSPENDED, TenantState.OFFBOARDED)
    return contract.state(now) not in shut and not contract.paused


def _amount(terms: Terms, name: str) -> tuple[int | None] | None:
    """Give a limit in a tuple of its own, for None in it means unlimited."""
    amounts = dict(terms.limits)
    return (amounts[name],) if name in amounts else None


def _phased(contract: Contract, of: Any) -> Phased:
    """Say which value holds when; None is not listed."""
    if contract.next_terms is None:
        phases = [(of(contract.terms), Window(_FROM_NOW, FOREVER))]
    else:
        now, later = of(contract.terms), of(contract.next_terms)
        phases = [(now, Window(_FROM_NOW, contract.next_at)), (later, Window(contract.next_at))]
        if now == later:
            phases = [(now, Window(_FROM_NOW, FOREVER))]
    return tuple(phase for phase in phases if phase[0] is not None)


def _said(value: Any) -> str:
    match value:
        case None | "" | () | False:
            return "none"
        case True:
            return "yes"
        case str():
            return value
        case tuple():
            return ", ".join(_said_phase(*_parts(each)) for each in value)
    return str(value)


def _parts(item: Any) -> tuple[Any, Window]:
    match item:
        case StatePeriod():
            return item.state.value, item.window
        case Admin():
            return item.subject or item.email, Window()
    value, window = item
    return value, window


def _said_phase(value: Any, window: Window) -> str:
    match value:
        case (None,):
            value = "unlimited"
        case (int(amount),):
            value = amount
        case True:
            value = "held"
    end = "" if window.valid_until == FOREVER else f" until {rfc3339(window.valid_until)}"
    return f"{value}{end}"
