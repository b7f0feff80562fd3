"""Everything that Dagster sees: assets, partitions, resources. The only place that imports it."""

from daydreaming_dagster.installation import check_adapters

check_adapters()
