"""A real server, as a process, on ports of its own."""

from collections.abc import Iterator

import pytest

from authz_service.cli.demo.throwaway_server import Trial, trial_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Serve with an own embedded database, for the tests of one file."""
    with trial_server(tmp_path_factory.mktemp("server")) as started:
        yield started
