"""What Dagster calls the parts of a data root.

All code locations of an instance share the names of assets and of dynamic partitions. The data
roots of one code location also share the names of groups, resources, ops, jobs, sensors and
schedules. A key prefix for each data root tells them apart.
"""

import dagster as dg


def with_prefix(key_prefix: str, name: str) -> str:
    """Return the name of an asset, a group or a partitions definition."""
    return f"{key_prefix}/{name}" if key_prefix else name


def local_name(key_prefix: str, name: str) -> str:
    """Return the name of a resource, op, job, sensor or schedule, which has no slash."""
    return with_prefix(key_prefix, name).replace("/", "__")


def asset_key(key_prefix: str, name: str) -> dg.AssetKey:
    """Return the key of an asset in the instance."""
    return dg.AssetKey.from_user_string(with_prefix(key_prefix, name))


def key_prefix_of(context: dg.AssetExecutionContext) -> str:
    """Return the prefix of the assets that are being materialized or checked."""
    assets = context.assets_def
    keys = [*assets.keys, *(check.asset_key for check in assets.check_keys)]
    return "/".join(keys[0].path[:-1])
