"""The experiment in Dagster: run `dg dev` or `dagster dev` in the parent folder."""
