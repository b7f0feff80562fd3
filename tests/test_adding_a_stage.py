"""A stage is its name, a row and a template."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

NAME = ('"evaluation"]', '"evaluation", "reply"]')
ROW = (
    "judges=True,\n    ),\n",
    'judges=True,\n    ),\n    StageDefinition("reply", "evaluation", "r", ("judgement",)),\n',
)

USE = """
import asyncio
import json

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.estimate import estimate_generations
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.results.ranking import rank_essays
from daydreaming_dagster.domain.stages import STAGE_DEFINITIONS
from daydreaming_dagster.types import STAGES

axes = {"concepts": ["a", "b"], "k": 2}
for stage in STAGES:
    axes |= {f"{stage}_template": ["t"], f"{stage}_llm": ["big"]}
spec = make_cohort_spec({"axes": axes, "replicates": {"reply": 2}}, None)
catalog = Catalog(
    concepts={name: ConceptEntry(name, name) for name in "ab"},
    templates={(stage, "t"): TemplateEntry("t") for stage in STAGES},
    models={"big": ModelEntry("big", "big-1")},
)
templates = {
    (stage, "t"): f"{stage}: {{{{ {row.variables[0]} }}}}"
    for stage, row in STAGE_DEFINITIONS.items()
}
store = InMemoryGensStore(templates=templates)
plan = make_plan(store, "c", spec, catalog, allow_missing=True)
record_plan(store, plan)
members = {stage: plan.gen_ids(stage) for stage in STAGES}
estimate = estimate_generations(store, catalog, plan.generations)


async def run():
    model = ScriptedLanguageModel(lambda request: "SCORE: 7")
    runner = GenerationRunner(store, model, catalog)
    return [item.error async for item in runner.generate_many(members)]


errors = asyncio.run(run())
state = look_at_cohort(store, catalog, members, CohortIndex())
print(json.dumps({
    "calls": {stage: of_stage.calls for stage, of_stage in estimate.stages.items()},
    "errors": [str(error) for error in errors if error],
    "done": {stage: status.done for stage, status in state.stages.items()},
    "prompt": store.read_prompt("reply", members["reply"][0]),
    "ids": [gen_ids[0][:2] for gen_ids in members.values()],
    "columns": sorted(key for key in next(plan.rows()) if key.startswith("reply")),
    "ranks": [rank.rank for rank in rank_essays(store, members)],
}))
"""


def test_a_name_and_a_row_make_a_stage(tmp_path):
    for name in ("daydreaming_dagster", "adapters"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for file, (before, after) in (("types.py", NAME), ("domain/stages.py", ROW)):
        path = tmp_path / "daydreaming_dagster" / file
        source = path.read_text()
        assert before in source
        path.write_text(source.replace(before, after))

    used = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert used.returncode == 0, used.stderr
    assert json.loads(used.stdout) == {
        "calls": {"draft": 1, "essay": 1, "evaluation": 1, "reply": 2},
        "errors": [],
        "done": {"draft": 1, "essay": 1, "evaluation": 1, "reply": 2},
        "prompt": "reply: 7",
        "ids": ["d_", "e_", "v_", "r_"],
        "columns": ["reply", "reply_llm", "reply_replicate", "reply_template"],
        "ranks": [1],
    }
