"""The use cases: what the commands and Dagster's assets both do, in terms of ports."""
