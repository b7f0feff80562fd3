"""Markdown of models becomes HTML that holds nothing of theirs but text."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daydreaming_dagster.report.markdown import render_markdown, visible

TAGS = {
    *("p", "h3", "h4", "h5", "h6", "em", "strong", "s", "a", "ul", "ol", "li", "blockquote"),
    *("code", "pre", "hr", "br", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title", "rel", "target"}, "ol": {"start"}, "code": {"class"}}
SAFE = 'rel="noopener noreferrer" target="_blank"'
MARKUP = [
    *("<script>", "</script>", "<img src=x onerror=y>", "<!--", "[a](javascript:b)", "![i](u)"),
    *(
        "[a](https://b.example 'c\"d')",
        "<https://c.example>",
        "# ",
        '```x" y\n',
        "\n\n",
        "|a|\n|-:|\n",
    ),
    *("&lt;", "&#60;b&#62;", "*", "~~", "> ", "- ", "1. ", "    ", "\x00", "\u202e", "a", '"'),
]


class Collector(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data):
        self.found.append(("comment", {}))


@given(st.one_of(st.text(), st.lists(st.sampled_from(MARKUP)).map("".join)))
def test_no_text_brings_a_tag_an_attribute_or_a_link_that_could_do_harm(text):
    collector = Collector()
    collector.feed(render_markdown(text))
    collector.close()

    for tag, attributes in collector.found:
        assert tag in TAGS
        allowed = {"class"} if tag in ("td", "th") else ATTRIBUTES.get(tag, set())
        assert set(attributes) <= allowed
        if tag == "a":
            assert attributes["href"].startswith(("http://", "https://", "mailto:"))


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("", ""),
        ("*a* **b** ~~c~~", "<p><em>a</em> <strong>b</strong> <s>c</s></p>\n"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"),
        ("[x](javascript:y)", "<p>[x](javascript:y)</p>\n"),
        ("[x](MAILTO:y@z.example)", f'<p><a href="MAILTO:y@z.example" {SAFE}>x</a></p>\n'),
        ("## b\n#### d\n# a", "<h3>b</h3>\n<h4>d</h4>\n<h3>a</h3>\n"),
        ("# a\n## b\n### c\n#### d", "<h3>a</h3>\n<h4>b</h4>\n<h5>c</h5>\n<h6>d</h6>\n"),
        ("##### e\n###### f", "<h3>e</h3>\n<h4>f</h4>\n"),
    ],
)
def test_markdown_is_rendered(markdown, html):
    assert render_markdown(markdown) == html


def test_columns_are_aligned_by_class_since_the_page_forbids_styles():
    html = render_markdown("a|b\n-:|-\n1|2")

    assert '<td class="align-right">1</td>\n<td>2</td>' in html


def test_control_characters_have_a_picture():
    assert (
        visible("a\r\nb\tc\x1b[0m\x7f\x00\x85\u200f") == "a\nb\tc\u241b[0m\u2421\u2400\ufffd\u200f"
    )
