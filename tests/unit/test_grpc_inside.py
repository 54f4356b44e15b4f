"""grpcio's inside is as `rpc/parking.py` takes it to be.

A failure here says that another grpcio was installed: read what has changed in the functions named,
see that parking still does right by it (`make faults` has the hostile callers), and write down the
new digests. Until then `docs/envoy.md` has the other way: the port behind Envoy.
"""

import hashlib
import inspect
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
from grpc import _server  # the test of what is private

INSIDE: Final = {
    "_Context": "99745c47188cb5b1",
    "_RPCState": "d94c431b2f0ca822",
    "_abort": "a796276e7da700f0",
    "_call_behavior": "9fac2c4d30506d66",
    "_get_initial_metadata_operation": "59985c099cee288f",
    "_handle_call": "5b649ce78a8626f6",
    "_handle_stream_stream": "813d9e3b52760a76",
    "_handle_unary_stream": "8d3e34eebcc54a87",
    "_handle_unary_unary": "5ebc5793887886da",
    "_handle_with_method_handler": "56042d75a39417a6",
    "_is_rpc_state_active": "192d4643d41258b6",
    "_possibly_finish_call": "b76de9a9eb8a2cbc",
    "_process_event_and_continue": "f784ec5c3a60feed",
    "_receive_close_on_server": "2925d13499f7b2e9",
    "_select_thread_pool_for_behavior": "99f0328ae444249c",
    "_send_response": "4e6abb7ec8c9cfce",
    "_status": "9f7381df3998be61",
    "_unary_response_in_pool": "d2ee206deb46ca63",
}


@pytest.mark.parametrize("name", INSIDE)
def test_function_that_parking_rests_on_is_the_one_that_it_was_written_for(name: str) -> None:
    source = inspect.getsource(getattr(_server, name))
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    assert digest == INSIDE[name], f"{name} of grpcio {version('grpcio')} is another"


def test_private_parts_of_grpcio_are_used_in_one_file() -> None:
    package = Path(__file__).resolve().parents[2] / "authz_service"
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "gen" not in path.parts
        and any(private in path.read_text() for private in ("grpc._", "grpc import _", "cygrpc"))
    }
    assert users == {"rpc/parking.py"}
