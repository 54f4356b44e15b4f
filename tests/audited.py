"""Audit entries as tests compare them: numbers as numbers, one word for the outcome."""

import json
from typing import Any

_UNSET: dict[str, Any] = {
    "actor": "",
    "on_behalf_of": "",
    "targets": [],
    "reason": "",
    "request_id": "",
}
_UNSET |= {"source_address": "", "changes": [], "details": {}}


def told(text: str) -> dict[str, Any]:
    """Read the canonical JSON of an entry.

    `outcome` is `done` or the reason of the refusal; `before` and `after` are the resource that the
    entry's first change is about, None where there is none.
    """
    entry: dict[str, Any] = _UNSET | json.loads(text)
    entry |= {"seq": int(entry["seq"]), "revision": int(entry.get("revision", 0))}
    entry["outcome"] = entry.pop("refusal", "done").removeprefix("ERROR_REASON_")
    change = entry["changes"][0] if entry["changes"] else {}
    for side in ("before", "after"):
        entry[side] = next(iter(change.get(side, {"": None}).values()))
    return entry
