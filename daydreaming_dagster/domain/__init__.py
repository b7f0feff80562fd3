"""All that decides anything. Depends on the ports alone: no I/O, no adapter, no Dagster."""
