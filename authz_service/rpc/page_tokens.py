"""Page tokens name the history that they are of: what a restored database has is read anew."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

Behaviour = Callable[[Any, Any], Any]

_OF_NO_LIST: Final = "-"
"""No list makes such a token, so every one refuses it, once it has asked the caller's right."""


def of_history(
    servicers: Mapping[ServiceDescriptor, object], history: Callable[[], str]
) -> dict[ServiceDescriptor, object]:
    """Let services make and take only page tokens of the history that the database is in."""
    return {
        service: SimpleNamespace(
            **{
                method.name: _within(getattr(servicer, method.name), method, history)
                for method in service.methods
            }
        )
        for service, servicer in servicers.items()
    }


def _within(
    behaviour: Behaviour, method: MethodDescriptor, history: Callable[[], str]
) -> Behaviour:
    if "page_token" not in method.input_type.fields_by_name:
        return behaviour

    def paged(request: Any, context: Any) -> Any:
        current = history()
        if request.page_token:
            begun, _, token = request.page_token.partition(".")
            request.page_token = token if begun == current else _OF_NO_LIST
        response = behaviour(request, context)
        if response.next_page_token:
            response.next_page_token = f"{current}.{response.next_page_token}"
        return response

    return paged
