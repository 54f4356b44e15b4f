"""Write what each RPC takes as a table in plain Python, for what knows no proto."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from tools.api_model import Access, Api

_HEAD: Final = '''"""What each RPC takes. Written by `make gen` from options in proto/authz/v1/."""

from typing import Final, NamedTuple


class Access(NamedTuple):
    """See the message of this name in `options.proto`."""

    right: str
    tenant: str = ""
    role: str = ""
    right_in_tenant: str = ""
    weight: str = ""


ACCESS: Final = {
'''


def table(api: Api) -> str:
    """Return the module's text: every RPC's `Access` by the RPC's name."""
    rpcs = sorted((rpc.name, rpc.access) for service in api.services for rpc in service.rpcs)
    lines = (f'    "{name}": Access({", ".join(_arguments(access))}),\n' for name, access in rpcs)
    return f"{_HEAD}{''.join(lines)}}}\n"


def _arguments(access: Access) -> Iterator[str]:
    return (f'{name}="{value}"' for name, value in asdict(access).items() if value)
