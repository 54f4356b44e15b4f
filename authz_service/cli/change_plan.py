"""A changeset made of a folder of policy files, with the preview that the service gave of it."""

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.gen.authz.v1 import changeset_pb2 as pb


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """A changeset, and what the service says that it would do.

    `left` are objects in force that the files lack and that stay; `same` counts those that are in
    force as the files have them.
    """

    changeset: pb.Changeset
    previewed: pb.PreviewChangesetResponse
    left: tuple[str, ...] = ()
    same: int = 0

    @property
    def at(self) -> Timestamp | None:
        """When it comes into force; None for now."""
        return self.changeset.apply_time if self.changeset.HasField("apply_time") else None

    @property
    def changes_anything(self) -> bool:
        return bool(self.previewed.preview.objects)
