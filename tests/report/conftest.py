"""A cohort whose models write whatever could harm a page, its report, and a browser to read it."""

import hashlib
import shutil

import attrs
import pytest
import yaml
from playwright.sync_api import sync_playwright

from adapters import InMemoryGensStore
from builders import make_catalog, make_concepts
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.spec import Axes, CohortSpec, make_cohort_spec
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.domain.stages_document import make_pipeline
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError
from reports import report_of

HOSTILE_NAME = '"></script><img src=x onerror="window.harmed=1">'
"""The id of a model, as anybody may write it in llm_models.csv."""

HOSTILE = {
    "a": "<script>window.harmed = 1</script></script><SCRIPT>window.harmed=1</SCRIPT>",
    "b": "[click](javascript:window.harmed=1) [data](data:text/html,x) <javascript:alert(1)>",
    "c": '<b onmouseover="window.harmed=1">bold</b> <a href="javascript:window.harmed=1">x</a>',
    "d": '<svg onload="window.harmed=1"><script>window.harmed=1</script></svg>',
    "e": "![picture](https://example.invalid/x.png) <img src=https://example.invalid/y.png>",
    "f": "\x1b[31mred\x1b[0m\x00\x07 and \x9b0m",
    "g": f"{'w' * 3000}\n\n    {'code' * 900}\n\n| a | b |\n|--:|---|\n| {'x' * 900} | y |",
    "h": "\u202edesrever\u202c \u2067\u05e9\u05dc\u05d5\u05dd \u200f x",
    "i": "",
    "j": "### Third\n\n# First\n\n#### Fourth\n\n~~gone~~ **bold** [good](https://example.invalid/)",
    "k": "line\u2028separator\u2029 <!-- ]]> --> &lt;i&gt; \U0001f400 ```",
}
"""What an essay about a combination that begins with this concept says."""

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

_PADDING = " " * 5
_JUDGE = "Judge"


def answer(request):
    """Draft, essay or judgement; one judge in each wrong way too."""
    if request.prompt.startswith("Link"):
        return f"Draft of {request.prompt}"
    if not request.prompt.startswith(_JUDGE):
        first = request.prompt.split("Link ")[1][0]
        text = HOSTILE[first] or _PADDING
        return Completion(text, "stop", request.model, 2.0, prompt_tokens=50, completion_tokens=9)
    if "desrever" in request.prompt:
        return "I like it <i>very</i> much."
    if "bold</b>" in request.prompt:
        return Completion("It is too lo", "length", request.model, 1.0)
    if "line\u2028" in request.prompt:
        return LanguageModelError("the endpoint is down")
    score = 9 if "Third" in request.prompt else len(request.prompt) % 7
    return Completion(
        f"A reason, said by a zebra.\nSCORE: {score}",
        "stop",
        request.model,
        1.5 + score,
        prompt_tokens=900,
        completion_tokens=40,
    )


@pytest.fixture(scope="session")
def made():
    """Return a report of 55 drafts, 110 essays of which half are copies, and 220 evaluations."""
    concepts = {
        name: ConceptEntry(name, name, {"sentence": f"{name} is <i>{name}</i>."})
        for name in HOSTILE
    }
    concepts["b"] = ConceptEntry("b", f"b {HOSTILE_NAME}", {})
    models = (
        ModelEntry("big", "big-1", "acme", prompt_price=2.0, completion_price=10.0),
        ModelEntry(HOSTILE_NAME, "small-1", "acme"),
    )
    catalog = attrs.evolve(make_catalog(*models), concepts=concepts)
    store = InMemoryGensStore(
        templates={
            ("draft", "links"): "Link {% for c in concepts %}{{ c.name }} {% endfor %}",
            ("essay", "story"): "Tell a story of: {{ draft_block }}",
            ("evaluation", "judge"): "Judge: {{ response }}",
        }
    )
    names = [*HOSTILE]
    spec = CohortSpec(
        Axes(
            combo=[
                [first, names[(place + step) % len(names)]]
                for place, first in enumerate(names)
                for step in range(1, 6)
            ],
            draft_template=["links"],
            draft_llm=["big"],
            essay_template=["story", "copied"],
            essay_llm=["big"],
            evaluation_template=["judge"],
            evaluation_llm=[*catalog.models],
        ),
        description_level="sentence",
    )
    return report_of(store, catalog, spec, answer)


DEEP = """
stages:
  draft:      {from: concepts}
  essay:      {from: draft, variables: [draft_block, links_block]}
  critique:   {from: essay}
  revision:   {from: {essay: essay, critique: critique}}
  summary:    {from: {essays: {all: essay, of: combo}}}
  duel:       {from: {first: essay, second: essay}, judges: pairs, within: combo}
  evaluation: {from: [essay, revision], variables: [response], judges: scores}
"""
DEEP_SOURCES = {
    ("draft", "links"): "Link {% for c in concepts %}{{ c.name }} {% endfor %}",
    ("essay", "ode"): "Sing of {{ draft_block }}",
    ("essay", "story"): "Tell of {{ draft_block }}",
    ("essay", "tale"): "Spin a tale of {{ draft_block }}",
    ("critique", "weakest"): "What is weak in {{ essay }}",
    ("revision", "mend"): "Mend {{ essay }} as {{ critique }} says",
    ("summary", "short"): "In short:{% for essay in essays %} {{ essay }}{% endfor %}",
    ("duel", "better"): "Which is better? {{ first }} or {{ second }}",
    ("evaluation", "judge"): "Judge: {{ response }}",
}


def answer_deep(request):
    """Return what the prompt begins with and a digest of it, and what judges have to say."""
    digest = hashlib.sha256(request.prompt.encode()).hexdigest()[:8]
    if request.prompt.startswith("Which"):
        return "The first has more to say.\nWINNER: first"
    if request.prompt.startswith(_JUDGE):
        return f"Sound, says {request.model}.\nSCORE: {int(digest, 16) % 10}"
    return f"{request.prompt.split()[0]}, {digest}. " + "So it was and will be. " * 20


def deep_report(*, without=()):
    """Return a report of 2 combinations with 3 essays each, and of what is made from them."""
    document = yaml.safe_load(DEEP)
    for stage in without:
        del document["stages"][stage]
    pipeline = make_pipeline(document, "stages.yaml", Pipeline(()))
    sources = {name: source for name, source in DEEP_SOURCES.items() if name[0] in pipeline}
    catalog = Catalog(
        concepts=make_concepts("abc"),
        templates={name: TemplateEntry(name[1]) for name in sources},
        models={name: ModelEntry(name, f"{name}-1", "acme") for name in ("big", "small")},
        pipeline=pipeline,
    )
    axes = {"combo": [["a", "b"], ["b", "c"]]}
    for stage in pipeline:
        axes[f"{stage}_template"] = [template for of, template in sources if of == stage]
        axes[f"{stage}_llm"] = ["big", "small"] if pipeline[stage].scores else ["big"]
    spec = make_cohort_spec({"axes": axes, "description_level": "sentence"}, None, pipeline)
    return report_of(InMemoryGensStore(templates=sources), catalog, spec, answer_deep)


@pytest.fixture(scope="session")
def deep():
    return deep_report()


@pytest.fixture(scope="session")
def unjudged():
    return deep_report(without=("evaluation", "duel"))


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("no browser: install Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # Containers run as root, where Chromium's own sandbox does not start.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@attrs.define
class Reader:
    """A page with the report, and whatever a browser would only tell its developer tools."""

    page: object
    url: str
    requests: list[str] = attrs.field(factory=list)
    complaints: list[str] = attrs.field(factory=list)

    def open(self, generation=None):
        """Open a generation as its link does; without one, the overview."""
        route = "" if generation is None else f"#/{generation.stage}/{generation.member.gen_id}"
        self.page.goto(self.url + route)
        shown = "#list tbody tr" if generation is None else "#reader-title"
        self.page.wait_for_selector(shown)
        if generation is not None:
            self.page.wait_for_selector(f"#reader-title >> text={generation.member.gen_id}")

    def found(self, count):
        self.page.wait_for_selector(f"#found >> text=/^{count} of/")

    def labels(self):
        return self.page.locator("#list tbody th .id").all_inner_texts()

    def unfold(self):
        self.page.evaluate(
            "for (const one of document.querySelectorAll('details')) one.open = true"
        )

    @property
    def focused(self):
        return self.page.evaluate("document.activeElement.textContent")


@pytest.fixture
def open_report(browser, tmp_path):
    """Return a function that opens a report with settings of a browser's context."""
    contexts = []

    def call(made, **settings):
        file = tmp_path / "report.html"
        file.write_text(made.html, "utf-8")
        context = browser.new_context(**settings)
        contexts.append(context)
        reader = Reader(context.new_page(), file.as_uri())
        reader.page.on("request", lambda request: reader.requests.append(request.url))
        reader.page.on("console", lambda message: reader.complaints.append(message.text))
        reader.page.on("pageerror", lambda error: reader.complaints.append(str(error)))
        reader.page.on("dialog", lambda dialog: reader.complaints.append(dialog.message))
        reader.page.set_default_timeout(60_000)
        reader.open()
        return reader

    yield call
    for context in contexts:
        context.close()
