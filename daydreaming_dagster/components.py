"""A data root as a component of a Dagster project, for `dg scaffold defs`.

`dg` imports this module in every project of an environment, so it imports only Dagster.
"""

import re
from pathlib import Path

import dagster as dg
from pydantic import BaseModel, Field


class DataRootParams(BaseModel):
    """What `dg scaffold defs` can be told."""

    data_root: str | None = Field(
        None,
        description="The folder or URL of the data root. By default, a folder of the project that "
        "is named like the component. A new or empty folder gets the examples.",
    )


class DataRootScaffolder(dg.Scaffolder[DataRootParams]):
    """Writes `defs.yaml`, and creates the data root as `daydream init` does if it is missing."""

    @classmethod
    def get_scaffold_params(cls) -> type[DataRootParams]:
        return DataRootParams

    def scaffold(self, request: dg.ScaffoldRequest[DataRootParams]) -> None:
        from daydreaming_dagster.cli.examples import copy_examples
        from daydreaming_dagster.locations import is_url

        name = request.target_path.name
        data_root = request.params.data_root or name
        folder = (request.project_root or Path.cwd()) / data_root
        if not is_url(data_root):
            copy_examples(folder)  # unless it is a data root already
        key_prefix = re.sub(r"\W", "_", name, flags=re.ASCII)
        attributes = {"data_root": data_root, "key_prefix": key_prefix}
        dg.scaffold_component(request, attributes)


@dg.scaffold_with(DataRootScaffolder)
class DataRootComponent(dg.Component, dg.Model, dg.Resolvable):
    """A data root of daydreaming_dagster: its stages, cohorts and loops as assets."""

    data_root: str = Field(
        description="The path of the data root, below the folder of the project, or its URL."
    )
    key_prefix: str = Field(
        "", description="Begins the names of its assets, groups, jobs, sensors and schedules."
    )
    concurrency: int | None = Field(
        None, description="How many calls of a model run at once, if the catalog has no limit."
    )
    pool: str | None = Field(
        None, description="The concurrency pool of the steps that call models."
    )
    max_cost_per_night: float | None = Field(
        None, description="What `completing` may spend on each cohort in a night, in USD."
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        from daydreaming_dagster.defs.build import define_data_root
        from daydreaming_dagster.locations import is_url

        place = self.data_root
        return define_data_root(
            place if is_url(place) else context.project_root / place,
            key_prefix=self.key_prefix,
            concurrency=self.concurrency,
            pool=self.pool,
            max_cost_per_night=self.max_cost_per_night,
        )
