"""`GET /health`: whether changes can be expected to succeed, for what asks over HTTP."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from authz_service.web.mounts import Threads


def routes(answers: Callable[[], bool], threads: Threads) -> list[Route]:  # noqa: ARG001 - no work
    """List the one route: 200 while the database answers, 503 while it does not."""

    async def health(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's
        if answers():
            return JSONResponse({"status": "serving"})
        return JSONResponse({"status": "checks only: the database does not answer"}, 503)

    return [Route("/health", health)]
