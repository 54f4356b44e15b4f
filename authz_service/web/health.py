"""`GET /health`: whether changes can be expected to succeed, for what asks over HTTP."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from authz_service.web.mounts import Threads


def routes(ailment: Callable[[], str], threads: Threads) -> list[Route]:  # noqa: ARG001 - no work
    """List the one route: 200, or 503 with what does not work."""

    async def health(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's
        status = ailment()
        return JSONResponse({"status": status or "serving"}, 503 if status else 200)

    return [Route("/health", health)]
