"""The billing policy in use: read again when its file changes; a new price needs no restart."""

from pathlib import Path

import structlog

from authz_service.domain.billing_policy import BillingPolicy
from authz_service.policyfiles import billing_policy_file
from authz_service.policyfiles.billing_policy_file import BILLING
from authz_service.policyfiles.problem import PolicyFileError

log = structlog.get_logger()


class BillingPolicyInUse:
    """The last good policy of a folder."""

    def __init__(self, folder: Path) -> None:
        """Read it.

        Raises:
            PolicyFileError: it is wrong.
        """
        self._folder = folder
        self._stamp = _stamp(folder)
        self._policy = billing_policy_file.read_folder(folder)

    def __call__(self) -> BillingPolicy:
        stamp = _stamp(self._folder)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._policy = billing_policy_file.read_folder(self._folder)
                log.info("billing policy read again", folder=str(self._folder))
            except PolicyFileError as wrong:
                log.error("billing policy is wrong, the last good one stays", error=str(wrong))
        return self._policy


def _stamp(folder: Path) -> tuple[int, int, int] | None:
    try:
        stat = (folder / BILLING).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
