"""What access a customer has, read again from the words alone, slowly and without the product.

An agreement is a list of (day, verb, value). Nothing here is shared with the code that is tested.
"""

from dataclasses import dataclass, field

GRACE = 14
TIERS = ("free", "professional", "enterprise")


@dataclass
class Told:
    """One agreement: what is said of it, and which other one it replaces."""

    name: str
    story: list[tuple[int, str, object]] = field(default_factory=list)
    replaces: str = ""


def _said_until(told: Told, day: int) -> list[tuple[int, str, object]]:
    return [entry for entry in sorted(told.story) if entry[0] <= day]


def _churned(told: Told, day: int) -> bool:
    """Whether its last word on being over for good stands."""
    over = False
    for _, verb, _ in _said_until(told, day):
        if verb == "churned":
            over = True
        elif verb == "reactivated":
            over = False
    return over


def _heard(told: Told, day: int) -> list[tuple[int, str, object]]:
    """What counts: nothing that is said between being over for good and coming back."""
    heard, over = [], False
    for entry in _said_until(told, day):
        if entry[1] == "reactivated":
            over = False
        if not over:
            heard.append(entry)
        if entry[1] == "churned":
            over = True
    return heard


def _last(heard: list[tuple[int, str, object]], *verbs: str) -> tuple[int, str, object] | None:
    found = [entry for entry in heard if entry[1] in verbs]
    return found[-1] if found else None


def _ended(heard: list[tuple[int, str, object]], day: int) -> bool:
    end = _last(heard, "cancelled", "renewed", "reactivated", "churned")
    if end is None or end[1] in ("renewed", "reactivated"):
        return False
    at = end[0] if end[2] is None else end[2]
    assert isinstance(at, int)
    return at <= day


def _paused(heard: list[tuple[int, str, object]]) -> bool:
    pause = _last(heard, "paused", "resumed", "reactivated")
    return pause is not None and pause[1] == "paused"


def _paying(heard: list[tuple[int, str, object]], day: int) -> bool:
    """Whether its status is good: step by step, as a bookkeeper would."""
    status, since, until = "pending", 0, 0
    for at, verb, value in heard:
        if verb in ("pending", "active", "suspended"):
            status = verb
        elif verb == "reactivated":
            status = "active"
        elif verb == "trial":
            assert isinstance(value, int)
            status, until = "trial", value
        elif verb == "past_due" and status != "past_due":
            status, since = "past_due", at
        elif verb == "paid" and status == "past_due":
            status = "active"
        elif verb == "payment_failed" and (
            status == "active" or (status == "trial" and until <= at)
        ):
            status, since = "past_due", at
    if status == "trial":
        return day < until
    return status == "active" or (status == "past_due" and day < since + GRACE)


def good(told: Told, day: int) -> bool:
    heard = _heard(told, day)
    return _paying(heard, day) and not _paused(heard) and not _ended(heard, day)


def tier(told: Told, day: int) -> str:
    sold = _last(_heard(told, day), "change_plan")
    return str(sold[2][0]) if sold and isinstance(sold[2], tuple) else ""


def seats(told: Told, day: int) -> int:
    sold = _last(_heard(told, day), "change_plan")
    assert sold is not None
    assert isinstance(sold[2], tuple)
    return int(sold[2][1])


def access(agreements: list[Told], day: int, adding: bool) -> tuple[str, int] | None:
    """Name the tier and the seats that the customer has on a day; None for no access."""
    standing = [each for each in agreements if good(each, day) and tier(each, day)]
    # Whose place it takes is said with its plan.
    names = {each.replaces for each in standing}
    standing = [each for each in standing if each.name not in names]
    if not standing:
        return None
    best = max((tier(each, day) for each in standing), key=TIERS.index)
    bought = [seats(each, day) for each in standing]
    return best, sum(bought) if adding else max(bought)
