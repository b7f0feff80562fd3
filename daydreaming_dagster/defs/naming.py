"""What a Dagster instance calls the assets and partitions of a data root.

All code locations of an instance share the names of assets and of dynamic partitions. Data roots
that share an instance are told apart by a key prefix each. Groups, jobs, sensors and resources have
none: they belong to their code location.
"""

from collections.abc import Iterable

import dagster as dg


def with_prefix(key_prefix: str, name: str) -> str:
    """Return the name of an asset or a partitions definition in the instance."""
    return f"{key_prefix}/{name}" if key_prefix else name


def asset_key(key_prefix: str, name: str) -> dg.AssetKey:
    """Return the key of an asset in the instance."""
    return dg.AssetKey.from_user_string(with_prefix(key_prefix, name))


def key_prefix_of(context: dg.AssetExecutionContext) -> str:
    """Return the prefix of the assets that are being materialized or checked."""
    assets = context.assets_def
    keys = [*assets.keys, *(check.asset_key for check in assets.check_keys)]
    return "/".join(keys[0].path[:-1])


def rename_assets(
    assets: Iterable[dg.AssetSpec | dg.AssetsDefinition], key_prefix: str
) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """Return all assets of a data root, renamed. Without a prefix they keep their names."""
    named = [*assets]
    if not key_prefix:
        return named
    keys = [
        key
        for asset in named
        for key in ([asset.key] if isinstance(asset, dg.AssetSpec) else asset.keys)
    ]
    renamed = {key: asset_key(key_prefix, key.to_user_string()) for key in keys}

    def rename_partitions(spec: dg.AssetSpec) -> dg.AssetSpec:
        partitions = spec.partitions_def
        if not isinstance(partitions, dg.DynamicPartitionsDefinition):
            return spec
        name = with_prefix(key_prefix, partitions.name or "")
        return spec.replace_attributes(partitions_def=dg.DynamicPartitionsDefinition(name=name))

    return [
        rename_partitions(asset.replace_attributes(key=renamed[asset.key]))
        if isinstance(asset, dg.AssetSpec)
        else asset.with_attributes(asset_key_replacements=renamed).map_asset_specs(
            rename_partitions
        )
        for asset in named
    ]
