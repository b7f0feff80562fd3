"""Everything that Dagster sees: assets, partitions, resources. The only place that imports it."""
