"""What a short command loads: imports are most of what it takes."""

import sys

import pytest

LOADED = """if True:
    import sys
    from daydreaming_dagster.__main__ import main

    try:
        main()
    finally:
        print(*sys.modules, file=sys.stderr)
"""
DOMAIN = "daydreaming_dagster.domain"
LIGHT = {
    *(f"{DOMAIN}.loop", f"{DOMAIN}.people"),
    f"{DOMAIN}.loop.concepts",  # what a loop accepted is in the catalog
    f"{DOMAIN}.people.rating_files",  # which files hold ratings, by their names
}


@pytest.fixture
def loaded(daydream_process):
    """Return the modules that a command loads."""

    def loaded(*arguments):
        ran = daydream_process(*arguments, command=[sys.executable, "-c", LOADED])
        assert ran.returncode == 0, ran.stderr
        return set(ran.stderr.split())

    return loaded


def below(modules, *packages):
    return {name for name in modules if f"{name}.".startswith(tuple(f"{p}." for p in packages))}


def test_status_of_a_cohort_loads_what_it_shows_alone(daydream, loaded):
    assert daydream("plan", "c1").returncode == 0
    planned = loaded("status", "c1")
    assert daydream("run", "c1").returncode == 0
    done = loaded("status", "c1")

    assert not below(planned, "jinja2")  # planning has rendered the templates
    for modules in (planned, done):
        assert not below(modules, "dagster", "numpy", "polars", "aiohttp", "pydantic")
        assert not below(modules, "filelock")  # it claims and locks nothing
        assert below(modules, f"{DOMAIN}.loop", f"{DOMAIN}.people") <= LIGHT
        assert not below(modules, f"{DOMAIN}.exchange", f"{DOMAIN}.batch.record")


def test_status_of_a_loop_loads_what_a_loop_consists_of(loaded, data_root):
    spec = data_root / "loops/l1/spec.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text("seed: 1\n", "utf-8")
    assert below(loaded("status", "l1"), f"{DOMAIN}.loop.journal")
