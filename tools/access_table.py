"""Write what each RPC takes as a table in plain Python, for what knows no proto."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Final

from tools.api_model import Api, Rpc

_HEAD: Final = '''"""What each RPC takes. Written by `make gen` from options in proto/authz/v1/."""

from typing import Final, NamedTuple


class Access(NamedTuple):
    """See the message of this name in `options.proto`; `changes` where anything is changed."""

    right: str
    tenant: str = ""
    role: str = ""
    right_in_tenant: str = ""
    weight: str = ""
    cost: int = 0
    takes_access: bool = False
    changes: bool = False


'''


def table(api: Api) -> str:
    """Return the module's text: every RPC's `Access` by its name, and what each right is for."""
    rpcs = sorted((rpc for service in api.services for rpc in service.rpcs), key=_name)
    access = (f'    "{rpc.name}": Access({", ".join(_arguments(rpc))}),\n' for rpc in rpcs)
    rights = (f'    "{right}": "{text}",\n' for right, text in sorted(_rights(rpcs)))
    return (
        f"{_HEAD}ACCESS: Final = {{\n{''.join(access)}}}\n\n"
        f'RIGHTS: Final = {{\n{"".join(rights)}}}\n"""What each right lets its holder do."""\n'
    )


def _name(rpc: Rpc) -> str:
    return rpc.name


def _arguments(rpc: Rpc) -> Iterator[str]:
    yield from (f"{name}={_text(value)}" for name, value in asdict(rpc.access).items() if value)
    if rpc.changes:
        yield "changes=True"


def _text(value: str | int) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _rights(rpcs: Iterable[Rpc]) -> Iterator[tuple[str, str]]:
    """Describe each right: by the comment of the one RPC that takes it, or by naming them all."""
    taking, narrower = defaultdict(list), defaultdict(list)
    for rpc in rpcs:
        taking[rpc.access.right].append(rpc)
        if rpc.access.right_in_tenant:
            narrower[rpc.access.right_in_tenant].append(rpc)
    for right, callers in taking.items():
        yield right, _first_sentence(callers[0]) if len(callers) == 1 else _call(callers)
    for right, callers in narrower.items():
        yield right, f"{_call(callers)} for roles of one tenant's own"


def _call(rpcs: Iterable[Rpc]) -> str:
    *names, last = (rpc.name for rpc in rpcs)
    return f"Call {', '.join(names)} or {last}" if names else f"Call {last}"


def _first_sentence(rpc: Rpc) -> str:
    sentence = re.split(r"(?<=[.:])\s", rpc.comment, maxsplit=1)[0].rstrip(".:")
    return sentence.replace("`", "").replace('"', "'")
