"""The option that says what an RPC takes leads somewhere, and the generated table repeats it."""

import re
from typing import Final

import pytest
from google.protobuf.descriptor import FieldDescriptor

from authz_service.gen import access
from tests.rpc.access import ACCESS
from tests.services import RPCS


def field_at(rpc: str, path: str) -> FieldDescriptor:
    """Find the field that a path ends at. Raises: LookupError, if there is none."""
    first, *names = path.split(".")
    field = RPCS[rpc].input_type.fields_by_name[first]
    for name in names:
        assert field.message_type is not None
        field = field.message_type.fields_by_name[name]
    return field


TENANT_PATHS: Final = {
    name: option.tenant or option.role
    for name, option in ACCESS.items()
    if option.tenant or option.role
}
WEIGHTS: Final = {name: option.weight for name, option in ACCESS.items() if option.weight}


@pytest.mark.parametrize("name", TENANT_PATHS)
def test_path_of_a_tenant_leads_to_text(name: str) -> None:
    assert field_at(name, TENANT_PATHS[name]).type == FieldDescriptor.TYPE_STRING


@pytest.mark.parametrize("name", WEIGHTS)
def test_weight_is_the_length_of_a_repeated_field(name: str) -> None:
    assert field_at(name, WEIGHTS[name]).is_repeated


def test_every_rpc_names_a_right_of_the_service() -> None:
    pattern = r"authz\.[a-z_]+:[a-z_]+"
    wrong = [name for name, option in ACCESS.items() if not re.fullmatch(pattern, option.right)]
    assert wrong == []


def test_the_table_repeats_every_option() -> None:
    assert {
        name: (
            option.right,
            option.tenant,
            option.role,
            option.right_in_tenant,
            option.weight,
            option.cost,
            option.takes_access,
            "request_id" in RPCS[name].input_type.fields_by_name,
        )
        for name, option in ACCESS.items()
    } == {name: tuple(taken) for name, taken in access.ACCESS.items()}
