"""What the processes of one `serve` share."""

import shutil
import socket
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Listener
from pathlib import Path

from authz_service.config import Settings
from authz_service.replication.index_file import Snapshot
from authz_service.serving.figures import Board


@dataclass(frozen=True, slots=True)
class Kin:
    """Made before any process is forked.

    `settings` have the numbers of the ports. `family` is the name by which changes of the own
    administration are known. Check workers have the `board`'s places from 0, administration the
    last one. Workers find administration at the socket `listener`, administration the process for
    long reads at another, both in a `folder` of their own.
    """

    settings: Settings
    family: str
    snapshot: Snapshot
    board: Board
    folder: Path
    listener: socket.socket
    long_reads: Listener

    @property
    def path(self) -> str:
        """Where workers find administration."""
        return str(_socket_in(self.folder))

    @property
    def long_reads_path(self) -> str:
        """Where administration finds the process for long reads."""
        return str(self.long_reads.address)

    def forget(self) -> None:
        """Remove what would outlive the processes."""
        self.listener.close()
        self.long_reads.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def kin(settings: Settings, family: str, snapshot: Snapshot) -> Kin:
    """Make what processes share; only their user can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="authz-"))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(_socket_in(folder)))
    listener.listen(settings.workers + 1)
    long_reads = Listener(str(folder / "long-reads"), "AF_UNIX", backlog=16)
    board = Board(settings.workers + 1)
    return Kin(settings, family, snapshot, board, folder, listener, long_reads)


def _socket_in(folder: Path) -> Path:
    return folder / "administration"
