"""Files of customers: what is read of them, and what is said of what cannot be read."""

import io
from pathlib import Path
from typing import Any

import pytest

from authz_service.cli.files.customer_files import (
    Customer,
    Form,
    Source,
    customers,
    form_of,
    opened,
)
from authz_service.client.failure import Failure
from authz_service.gen.authz.v1 import member_pb2, tenant_pb2


def read(text: str | bytes, form: Form = Form.CSV) -> list[Customer]:
    content = text.encode() if isinstance(text, str) else text
    return list(customers(Source(io.BytesIO(content), len(content)), form))


def message(**more: Any) -> tenant_pb2.NewTenant:
    return tenant_pb2.NewTenant(tenant="acme", tier="free", **more)


def test_lines_of_one_tenant_are_one_customer() -> None:
    found = read(
        "tenant,tier,display_name,add_ons,subject,roles,owner\n"
        "acme,free,Acme GmbH,audit extra-seats,user:ada,admin;editor,yes\n"
        "acme,free,,,user:bob,viewer,\n"
        "beta,free,,,,,\n"
    )
    ada = member_pb2.NewMember(subject="user:ada", roles=["admin", "editor"], owner=True)
    bob = member_pb2.NewMember(subject="user:bob", roles=["viewer"])
    add_ons = ["audit", "extra-seats"]
    whole = message(display_name="Acme GmbH", add_ons=add_ons, members=[ada, bob])
    assert found == [
        Customer(2, "acme", whole),
        Customer(4, "beta", tenant_pb2.NewTenant(tenant="beta", tier="free")),
    ]


def test_json_lines_are_the_message_itself() -> None:
    (found,) = read(
        '{"tenant": "acme", "tier": "free", "limits": [{"name": "seats", "value": 9, '
        '"unit": "seat"}], "members": [{"subject": "user:ada", "roles": ["admin"], "owner": true}]'
        ', "trial_end_time": "2100-01-01", "after_trial": "active"}\n',
        Form.JSONL,
    )
    assert found.message is not None
    assert found.message.limits[0].value == 9
    assert found.message.members[0].owner
    assert found.message.trial_end_time.ToJsonString() == "2100-01-01T00:00:00Z"
    assert found.message.after_trial == tenant_pb2.TENANT_STATE_ACTIVE


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"tenant": "acme", "teir": "free"}', "no field named"),
        ('{"tenant": 5}', "tenant"),
        ('{"tenant": "acme", "trial_end_time": "soon"}', "not an instant"),
        ('{"tenant": "acme", "after_trial": "happy"}', "happy"),
        ('{"tenant": "\\ud800"}', "surrogate"),
    ],
)
def test_line_that_cannot_be_read_is_told_and_stops_no_other(line: str, says: str) -> None:
    found = read(f'{line}\n\n{{"tenant": "beta", "tier": "free"}}\n', Form.JSONL)
    assert [each.line for each in found] == [1, 3]
    assert says in found[0].problem
    assert found[0].message is None
    assert found[1].problem == ""


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("acme,free,user:ada\n", "as many values"),
        ("acme,free,user:ada,x,y\n", "as many values"),
        ("acme,free,user:ada,perhaps\n", "owner is 'perhaps'"),
        ("acme,free,user:ada,\nacme,gold,user:bob,\n", "do not agree on tier"),
    ],
)
def test_rows_that_cannot_be_read_are_told_and_stop_no_other(rows: str, says: str) -> None:
    found = read(f"tenant,tier,subject,owner\n{rows}beta,free,user:cy,\n")
    assert says in found[0].problem
    assert [each.tenant for each in found] == ["acme", "beta"]
    assert found[1].message is not None


def test_bytes_that_are_no_text_are_told() -> None:
    found = read(b"tenant,tier,display_name\nacme,free,\xff\nbeta,free,B\n")
    assert [each.problem for each in found] == ["it is not UTF-8", ""]


def test_mark_at_the_beginning_and_newlines_in_cells_are_read() -> None:
    found = read(b'\xef\xbb\xbftenant,tier,display_name\nacme,free,"A\nB"\nbeta,free,\n')
    assert [each.line for each in found] == [3, 4]
    assert found[0].message == message(display_name="A\nB")


@pytest.mark.parametrize("first", ["", "tenant,subject", "tenant,tier,colour", "tenant,tier,tier"])
def test_columns_that_are_not_known_stop_the_import(first: str) -> None:
    with pytest.raises(Failure, match="line 1 must name"):
        read(f"{first}\nacme,free,x\n")


def test_cell_that_is_too_large_to_be_read_names_its_place() -> None:
    with pytest.raises(Failure, match="what follows line 1 is not CSV"):
        read(f"tenant,tier\n{'x' * 200_000},free\n")


def test_name_of_a_file_tells_its_form() -> None:
    assert form_of(Path("a.CSV")) is Form.CSV
    assert form_of(Path("a.jsonl")) is form_of(Path("a.ndjson")) is Form.JSONL
    with pytest.raises(Failure, match="--format"):
        form_of(Path("-"))


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="No such file"), opened(tmp_path / "none.csv"):
        pass


def test_position_tells_how_much_was_read() -> None:
    content = b"tenant,tier\nacme,free\n"
    source = Source(io.BytesIO(content), len(content))
    assert list(customers(source, Form.CSV))
    assert source.position == source.size
