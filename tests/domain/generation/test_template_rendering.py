"""Prompts from templates."""

import pytest

from adapters import FilesystemGensStore, InMemoryGensStore
from daydreaming_dagster.domain.catalog import Concept
from daydreaming_dagster.domain.errors import TemplateError
from daydreaming_dagster.domain.generation import template_limits
from daydreaming_dagster.domain.generation.template_rendering import render_template
from daydreaming_dagster.ports.errors import MissingTemplateError


def rendered(source, **values):
    store = InMemoryGensStore(templates={("draft", "t"): source})
    return render_template(store, "draft", "t", values)


def test_values_are_filled_in_and_nothing_else_changes():
    text = rendered("Dear {{ name }},\n<b>\n\n", name="R&D <x>\r\n")

    assert text == "Dear R&D <x>\r\n,\n<b>\n\n"


def test_the_lines_of_a_template_end_alike_on_every_platform():
    assert rendered("one\r\ntwo\rthree\n") == "one\ntwo\nthree\n"


def test_concepts_are_looped_over():
    source = "{% for c in concepts %}{{ loop.index }} {{ c.name }}: {{ c.content }}\n{% endfor %}"

    text = rendered(source, concepts=[Concept("A", "a"), {"name": "B", "content": "b"}])

    assert text == "1 A: a\n2 B: b\n"


def test_a_missing_template_is_named():
    with pytest.raises(MissingTemplateError, match="no draft template 'other'"):
        render_template(InMemoryGensStore(), "draft", "other", {})


def test_a_syntax_error_says_its_line():
    with pytest.raises(TemplateError, match=r"draft template 't': syntax error in line 3"):
        rendered("one\ntwo\n{% for %}\n")


def test_an_undefined_variable_is_named_with_its_line():
    with pytest.raises(TemplateError, match=r"draft template 't': line 2: 'nmae' is undefined"):
        rendered("one\n{{ nmae }}", name="x")


def test_an_undefined_attribute_is_named():
    with pytest.raises(TemplateError, match="no attribute 'contnet'"):
        rendered("{{ c.contnet }}", c=Concept("A", "a"))


@pytest.mark.parametrize(
    "source",
    [
        "{{ ().__class__.__mro__ }}",
        "{{ names.append('x') }}",
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% include 'other' %}",
        "{{ 1 / 0 }}",
    ],
)
def test_what_a_template_may_not_do_is_a_template_error(source):
    with pytest.raises(TemplateError, match="draft template 't'"):
        rendered(source, names=[])


def test_an_edited_template_is_never_stale(tmp_path):
    store = FilesystemGensStore(tmp_path)
    file = store.paths.template_file("essay", "t")
    file.parent.mkdir(parents=True)
    texts = []
    for source in ("old {{ x }}", "new {{ x }}", "old {{ x }}"):
        file.write_text(source)
        texts.append(render_template(store, "essay", "t", {"x": 1}))

    assert texts == ["old 1", "new 1", "old 1"]


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}BODY{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    "source",
    [
        LOOP,
        LOOP.replace("BODY", "{% set c = a ~ b %}"),
        LOOP.replace("BODY", "{{ loop.index }}"),
    ],
)
def test_a_template_that_does_not_end_fails_when_its_time_is_over(monkeypatch, source):
    monkeypatch.setattr(template_limits, "RENDERING_SECONDS", 0.2)

    with pytest.raises(TemplateError, match=r"line 1: rendering took longer than 0.2 s"):
        rendered(source)


DOUBLING = (
    "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = DOUBLE %}{% endfor %}"
)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 10 ** 1000000 }}",
        "{{ 'x' * 10 ** 12 }}",
        "{{ [1] * 10 ** 12 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ 'x'.ljust(10 ** 12) }}",
        "{{ 'x' | center(10 ** 12) }}",
        "{{ [1] | slice(10 ** 12) | list }}",
        "{{ ('x' * 9000000).replace('', 'x' * 9000000) }}",
        "{{ ('x' * 9000000) | replace('', 'x' * 9000000) }}",
        DOUBLING.replace("DOUBLE", "n.x ~ n.x"),
        DOUBLING.replace("DOUBLE", "n.x + n.x"),
        DOUBLING.replace("DOUBLE", "'%s%s' % (n.x, n.x)"),
        DOUBLING.replace("DOUBLE", "n.x.join(['', n.x, ''])"),
    ],
)
def test_a_template_that_builds_too_much_fails(source):
    with pytest.raises(TemplateError, match="too l"):
        rendered(source)


def test_the_limits_change_nothing_of_ordinary_templates():
    source = (
        "{% for x in xs recursive %}{{ loop.index }}/{{ loop.length }}{{ x ~ '-' ~ (1 + 1) }}"
        "{% if not loop.last %};{% endif %}{% else %}none{% endfor %}{{ 'a' | center(5) }}"
        "{{ '%s of %d' % ('b', 2) }}{{ 'ab'.replace('a', 'c') | upper }}{{ 2 ** 10 * 3 }}"
    )

    assert rendered(source, xs="pq") == "1/2p-2;2/2q-2  a  b of 2CB3072"
    assert rendered(source, xs=[]).startswith("none  a  ")
