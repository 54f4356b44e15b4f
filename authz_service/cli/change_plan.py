"""Changes of policy that are to be asked for, with the preview that the service gave of them."""

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.gen.authz.v1 import changeset_pb2 as pb


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What is to be asked, and what the service said to it.

    `left` are objects in force that the files do not have and that stay; `same` counts those that
    are in force as the files have them. `at` None is now.
    """

    changes: tuple[pb.WantedChange, ...]
    preview: pb.PreviewChangesetResponse
    left: tuple[str, ...] = ()
    same: int = 0
    at: Timestamp | None = None
