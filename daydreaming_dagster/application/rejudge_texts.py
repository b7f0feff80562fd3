"""A cohort of texts that are there already, and of new judgments of them."""

from collections.abc import Mapping, Sequence

import attrs

from daydreaming_dagster.application.plan_cohort import RecordedPlan, plan_cohort
from daydreaming_dagster.domain.cohort.planning import make_plan
from daydreaming_dagster.domain.cohort.spec import CohortSpec, axes_class
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates


@attrs.frozen
class NewJudges:
    """Who judges: each template (`clarity`, or `stage/clarity`) with each model, so many times."""

    templates: Sequence[str]
    models: Sequence[str]
    replicates: int = 1


def rejudge_texts(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    gen_ids: Sequence[str],
    judges: NewJudges,
) -> RecordedPlan:
    """Write the specification of a cohort that has these texts judged again, and plan it.

    Judgments that are there already are those of the cohort, and are not asked for again.

    Raises:
        CatalogError: The cohort exists with another specification, a template is not a judge's, a
            text is not there, or the catalogs lack something. Then nothing was planned.
    """
    spec = _make_spec(cohorts, gen_ids, judges)
    if cohort_id not in {*cohorts.list_cohorts(), *cohorts.list_planned_cohorts()}:
        make_plan(store, cohort_id, spec, cohorts.read_catalog())  # refuses what is wrong with it
        cohorts.write_spec(cohort_id, spec)
    elif cohort_id not in cohorts.list_cohorts() or cohorts.read_spec(cohort_id) != spec:
        problem = f"the cohort {cohort_id!r} exists with another specification; name another one"
        raise CatalogError("the data root", (problem,))
    return plan_cohort(store, cohorts, cohort_id)


def _make_spec(cohorts: CohortStore, gen_ids: Sequence[str], judges: NewJudges) -> CohortSpec:
    catalog = cohorts.read_catalog()
    pipeline = catalog.pipeline
    axes: dict[str, list[str]] = {}
    replicates: Mapping[str, int] = {}
    for name in judges.templates:
        stage_name, _, template_id = name.rpartition("/")
        stages = [
            stage
            for stage in pipeline
            if pipeline[stage].judges
            and stage_name in ("", stage)
            and (stage, template_id) in catalog.templates
        ]
        if len(stages) != 1:
            found = f"several stages have it: {', '.join(stages)}" if stages else "no judge has it"
            raise CatalogError("the templates", (f"{name!r}: {found}; name STAGE/TEMPLATE",))
        templates, models = pipeline[stages[0]].axes
        axes.setdefault(templates, []).append(template_id)
        axes[models] = list(judges.models)
        replicates = {**replicates, stages[0]: judges.replicates}
    return CohortSpec(
        axes=axes_class(pipeline.axes)(**axes), texts=list(gen_ids), replicates=replicates
    )
