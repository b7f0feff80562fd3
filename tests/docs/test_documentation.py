"""The documentation, done as its reader would do it: each page in one shell, in a fresh folder."""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import attrs
import click
import pytest

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from bucket_server import CREDENTIALS
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.cli.app import app
from daydreaming_dagster.cli.examples import copy_examples
from daydreaming_dagster.formatting import counted

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "deploy/README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}
TUTORIAL = "docs/tutorial.md"
NOTES = {
    name: (ROOT / name).read_text("utf-8")
    for name in ("CONTRIBUTING.md", "SECURITY.md", "architecture.md")
}
"""Pages for developers, whose commands take minutes or change the environment."""

STAND_INS = {
    # They install from an index or this checkout, which is installed here.
    "python3 -m venv venv": ":",
    ". venv/bin/activate": ":",
    "pip wheel --no-deps --wheel-dir wheels ../daydreaming_dagster": ":",
    'pip install "$(ls wheels/daydreaming_dagster-*.whl)[report,ui]"': ":",
    "pip install ./verdict": 'python "$INSTALL" verdict "$SITE"',
    'pip install "$(ls wheels/daydreaming_dagster-*.whl)[testing]"': ":",
    'pip install "daydreaming-dagster[s3]"': ":",
    'pip install "daydreaming-dagster[postgres]"': ":",
    '.venv/bin/pip install ".[postgres,s3]"': ":",
    # What they start in containers, a test of `compose.yaml` starts as processes.
    "docker compose --file deploy/compose.yaml up --build --detach": "test -f deploy/.env",
    "docker compose --file deploy/compose.yaml up --detach --scale worker=4": ":",
    "docker compose --file deploy/compose.yaml run --rm code daydream status tide": (
        "daydream status tide"
    ),
    "pip install ./sqlite_store": 'python "$INSTALL" sqlite_store "$SITE"',
    # They run `pip install`, and download a model or take minutes.
    "make demo": 'ln -s "$PREFIX" .venv; daydream init demo_data; daydream plan demo -d demo_data',
    "make test": ":",
    "make mutants": ":",
    "daydream init night": (
        "daydream init night; sed -i 's/,local,/,mine,/' night/1_raw/llm_models.csv"
    ),
    ".venv/bin/python -m benchmarks.mutants 500": ":",
    ".venv/bin/python -m benchmarks.mutants all": ":",
    # The test has an endpoint of its own.
    "export OPENAI_BASE_URL=http://localhost:11434/v1": ":",
    "export OPENAI_API_KEY=none": ":",
    # So it has servers of its own.
    "export DAGSTER_PG_HOST=127.0.0.1 DAGSTER_PG_PORT=5432 DAGSTER_PG_USERNAME=dagster": ":",
    "export DAGSTER_PG_PASSWORD=secret DAGSTER_PG_DB=dagster": ":",
    # They serve until they are stopped. What they load is loaded.
    "dagster dev -m daydreaming_dagster.definitions": (
        "python -m dagster definitions validate -m daydreaming_dagster.definitions"
    ),
    "make ui DATA=demo_data": ":",
    "dg dev": ":",
}
"""What is done in the place of commands that a test cannot run."""

SKIPPED = "…"
"""Stands in the documentation for lines of output that are left out."""


@attrs.frozen
class Block:
    """A fenced block: its language, the file that it is (or None), its text."""

    language: str
    file: str | None
    text: str


@attrs.frozen
class Command:
    """A line after `$`, and the lines that the page says it prints."""

    line: str
    output: tuple[str, ...]

    @property
    def exit_code(self):
        said = re.search(r"# .*exits with (\d)", self.line)
        return 0 if said is None else int(said[1])

    @property
    def bare(self):
        """The line without its comment."""
        return re.split(r"\s+# ", self.line)[0]


def blocks(page):
    fences = re.findall(r"^```(\S*) *([^\n]*)\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)
    for language, options, text in fences:
        title = re.search(r'title="([^"]+)"', options)
        yield Block(language, None if title is None else title[1], text)


def commands(page):
    return [
        command
        for block in blocks(page)
        if block.language == "console"
        for command in commands_in(block)
    ]


def commands_in(block):
    for typed in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, *output = typed.splitlines()
        yield Command(line, tuple(output))


def follow(page, folder, scratch, environment):
    """Do in `folder` what a page says, and return in what the outcome differs from it."""
    script, typed = [], []
    for number, block in enumerate(blocks(page)):
        if block.file is not None:
            staged = scratch / f"file-{number}"
            staged.write_text(block.text, "utf-8")
            script.append(f"mkdir -p $(dirname {block.file}); cp {staged} {block.file}")
        for command in commands_in(block) if block.language == "console" else ():
            at = scratch / f"command-{len(typed)}"
            line = STAND_INS.get(command.bare, command.line)
            script.append(f"{{ {line}\n}} < /dev/null > {at}.out 2>&1; echo $? > {at}.code")
            typed.append(command)
    bash = subprocess.run(
        ["bash", "-c", "\n".join(script)],  # noqa: S607  the reader's shell is the one that is found
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert bash.stderr == ""
    return [
        f"{page}: $ {command.line}\n{what}"
        for number, command in enumerate(typed)
        for what in differences(command, scratch / f"command-{number}")
    ]


def differences(command, at):
    exit_code = int(at.with_suffix(".code").read_text())
    output = at.with_suffix(".out").read_text("utf-8")
    if exit_code != command.exit_code:
        yield f"exited with {exit_code}:\n{output}"
    lines = iter([line.rstrip() for line in output.splitlines()])
    for line in command.output:
        if line != SKIPPED and line.rstrip() not in lines:  # also moves on to it
            yield f"did not print {line!r} there:\n{output}"
            return


@pytest.fixture(scope="module")
def environment(lasting_chat_endpoint, tmp_path_factory):
    """What the reader's shell knows: the endpoint, and this Python."""

    def answer(prompt):
        if not prompt.startswith("Read this essay."):
            return f"About: {prompt}"
        return f"Clear.\nSCORE: {hashlib.sha256(prompt.encode()).digest()[0] % 10}"

    lasting_chat_endpoint.answer = answer
    folder = tmp_path_factory.mktemp("reader")
    clean = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    return {
        **clean,
        "OPENAI_BASE_URL": lasting_chat_endpoint.base_url,
        "COLUMNS": "100",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}/site:{os.environ.get('PYTHONPATH', '')}",
        "XDG_STATE_HOME": f"{folder}/state",
        "PREFIX": sys.prefix,
        "INSTALL": str(Path(__file__).with_name("install.py")),
        "SITE": f"{folder}/site",
    }


@attrs.frozen
class Followed:
    folder: Path
    problems: list[str]


@pytest.fixture(scope="module")
def tutorial(environment, tmp_path_factory):
    """The reader's folder after the tutorial."""
    folder = tmp_path_factory.mktemp("tutorial")
    problems = follow(TUTORIAL, folder, tmp_path_factory.mktemp("scratch"), environment)
    return Followed(folder, problems)


def test_the_tutorial_does_what_it_says(tutorial):
    assert "\n".join(tutorial.problems) == ""


@pytest.mark.parametrize("page", [page for page in PAGES if page != TUTORIAL and commands(page)])
def test_every_command_does_what_its_page_says(page, tutorial, environment, tmp_path, request):
    folder, scratch = tmp_path / "folder", tmp_path / "scratch"
    scratch.mkdir()
    folder.mkdir()
    if page.startswith(
        ("docs/how-to/", "deploy/")
    ):  # they say that they go on where the tutorial ends
        shutil.copytree(tutorial.folder / "lab", folder / "lab")
        environment = {**environment, "DAYDREAM_DATA_ROOT": str(folder / "lab")}
    if page in ("README.md", "docs/how-to/bucket.md"):
        server = request.getfixturevalue("s3_server")
        environment = {**environment, **CREDENTIALS, "AWS_ENDPOINT_URL": server.endpoint}
    if page in ("README.md", "deploy/README.md"):  # they begin in the top folder of the checkout
        shutil.copytree(ROOT / "deploy", folder / "deploy")
    if page == "deploy/README.md":
        server = request.getfixturevalue("postgresql_server")
        environment = {**environment, **server.as_dagster_yaml_names_it(server.new_database())}

    assert "\n".join(follow(page, folder, scratch, environment)) == ""


def test_the_examples_of_cohorts_can_be_planned_in_what_init_makes(tmp_path):
    page = "docs/cohorts.md"
    copy_examples(tmp_path / "lab")
    store = FilesystemGensStore.from_root(tmp_path / "lab")
    examples = [block.text for block in blocks(page) if block.language == "yaml"]
    assert len(examples) > 5
    for number, text in enumerate(examples):
        spec = tmp_path / f"lab/cohorts/example-{number}/spec"
        spec.mkdir(parents=True)
        (spec / "config.yaml").write_text(text, "utf-8")
        for block in blocks(page):
            if block.language == "csv" and block.file in ("design.csv", "judges.csv"):
                (spec / block.file).write_text(block.text, "utf-8")

        recorded = plan_cohort(store, FilesystemCohortStore(store.paths), spec.parent.name)

        counts = Counter(planned.stage for planned in recorded.plan.generations)
        said = ", ".join(counted(count, stage) for stage, count in counts.items())
        assert text.startswith(f"# {said}\n")


def test_the_reference_has_every_name_that_a_program_of_a_page_imports():
    reference = PAGES["docs/reference/api.md"]
    modules = [import_module(name) for name in re.findall(r"automodule:: (\S+)", reference)]
    programs = [
        block.text for page in PAGES for block in blocks(page) if block.language == "python"
    ]
    imported = {
        (imports.module, alias.name)
        for program in programs
        for imports in ast.walk(ast.parse(program))
        if isinstance(imports, ast.ImportFrom)
        and (imports.module or "").split(".")[0] in ("daydreaming_dagster", "adapters")
        for alias in imports.names
    }
    assert len(imported) > 10
    for module, name in imported:
        documented = re.search(rf"\b{name}\b", reference) or any(
            hasattr(known, name) for known in modules
        )
        assert documented, (module, name)


@pytest.mark.parametrize("name", ["dagster-project", "day", "library"])
def test_a_walk_takes_as_many_commands_as_it_says(name):
    page = f"docs/how-to/{name}.md"
    said = re.search(r"in (\d+) commands", PAGES[page])[1]

    assert len(commands(page)) == int(said)
    assert f"how-to/{name}.md): {said} commands" in PAGES["docs/index.md"]


def test_the_first_table_leads_to_every_guide():
    rows = [line for line in PAGES["docs/index.md"].splitlines() if line.startswith("|")]
    for guide in (ROOT / "docs/how-to").glob("*.md"):
        assert f"](how-to/{guide.name}" in "\n".join(rows), guide.name


def test_every_stand_in_is_for_a_command_of_some_page():
    assert {command.bare for page in PAGES for command in commands(page)} >= STAND_INS.keys()


@pytest.mark.parametrize("page", PAGES)
def test_no_command_and_no_program_hides_from_these_tests(page):
    for block in blocks(page):
        assert block.language in {
            *("console", "csv", "json", "python", "text", "toml", "yaml"),
            *("{eval-rst}", "{include}", "{toctree}"),
        }
        assert block.language != "console" or block.text.startswith("$ ")
        assert block.language != "python" or block.file is not None


@pytest.mark.parametrize("page", PAGES)
def test_every_program_of_a_page_is_run_by_it(page):
    parts = list(blocks(page))
    for program in (block for block in parts if block.language == "python"):
        rest = "".join(block.text for block in parts if block is not program)
        assert Path(program.file).stem in rest


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_in_the_text_exist(page):
    context = click.Context(app)
    known = {name: app.get_command(context, name) for name in app.list_commands(context)}
    for said in re.findall(r"`daydream ([^`]+)`", PAGES[page]):
        name, *arguments = said.split()
        command = known[name]
        if arguments and arguments[0] in getattr(command, "commands", {}):
            command = command.commands[arguments[0]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("-")} <= options, said


def test_every_test_that_a_page_names_exists():
    sources = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "daydreaming_dagster").rglob("*.py")]
    tests = {
        name
        for source in sources
        for name in re.findall(
            r"^ *(?:async )?def (test_\w+)\(", source.read_text("utf-8"), re.MULTILINE
        )
    }
    for page, text in (PAGES | NOTES).items():
        assert set(re.findall(r"`(test_\w+)`", text)) <= tests, page


def test_every_file_that_a_page_names_exists():
    for page, text in (PAGES | NOTES).items():
        for path in re.findall(
            r"`((?:tests|daydreaming_dagster|adapters|benchmarks|examples)/[^`<*]+)`", text
        ):
            assert (ROOT / path).exists(), (page, path)


@pytest.mark.parametrize("document", ["metadata", "raw_metadata", "parsed_metadata"])
def test_every_key_of_a_document_is_described(document, tutorial):
    stored = {
        key
        for path in (tutorial.folder / "lab" / "gens").rglob(f"{document}.json")
        for key in json.loads(path.read_text("utf-8"))
    }
    heading = f"### `{document}.json`\n"
    table = PAGES["docs/reference/data-root.md"].split(heading)[1].split("\n#")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)

    described = {key for row in rows for key in re.findall(r"`(\w+)`", row)}

    # In the tutorial nothing is replaced, every answer is a plain text, scales begin at 0,
    # nobody enters a score by hand or imports one, the stages are the shipped ones, and the
    # endpoint names no configuration.
    absent = {
        "imported",
        "canary_of",
        "parents",
        "system_fingerprint",
        "replaced",
        "reasoning",
        "unreadable",
        "headers",
        "batch_id",
        "score_minimum",
        "refused",
    }
    absent |= {"scored_by", "note"}
    assert described - absent == stored
