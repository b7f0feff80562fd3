"""`daydream import-scores`, and `daydream export` to the tools that such scores come from."""

import json


def test_results_go_to_inspect_and_its_scores_come_back(daydream, tmp_path):
    daydream("plan", "c1")
    daydream("run", "c1")
    for form in ("inspect", "promptfoo"):
        assert daydream("export", "c1", "--format", form, "-o", str(tmp_path)).returncode == 0
    log = tmp_path / "texts.inspect.json"
    document = json.loads(log.read_text())
    for sample in document["samples"]:
        sample["scores"] = {"depth": {"value": 4, "explanation": "shallow"}}
    log.write_text(json.dumps(document))

    refused = daydream("import-scores", str(log), "depth")
    imported = daydream("import-scores", str(log), "depth", "--scale", "depth=1:5")

    assert refused.returncode == 1
    assert "its score 4 is outside the scale 0 to 1" in refused.stderr
    assert imported.stdout == "cohort depth: 6 scores of 6 texts\n", imported.stderr
    both = daydream("results", "c1", "depth")
    assert both.returncode == 0, both.stderr
    assert "evaluation/depth" not in both.stderr
    for wrong in ("depth", "depth=5:1", "depth=a:b", "=0:1", "depth=0:inf"):
        assert daydream("import-scores", str(log), "depth", "--scale", wrong).returncode == 2
    assert daydream("import-scores", str(tmp_path / "texts.promptfoo.json"), "foo").returncode == 0
