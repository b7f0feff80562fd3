"""Which ids are safe, under the name that users of the data layer import."""

from daydreaming_dagster.ports.ids import MAX_ID_LENGTH, are_ids, check_id, check_stage, is_id

__all__ = ["MAX_ID_LENGTH", "are_ids", "check_id", "check_stage", "is_id"]
