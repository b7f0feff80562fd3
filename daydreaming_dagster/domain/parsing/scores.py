"""Parsers that read a judge's score."""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from daydreaming_dagster.domain.parsing import phrases
from daydreaming_dagster.domain.parsing.lines import Line, line_number, read_lines
from daydreaming_dagster.domain.parsing.reasoning import after_lone_closing, split_reasoning
from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse, Score
from daydreaming_dagster.domain.parsing.values import agree, read_scale
from daydreaming_dagster.domain.parsing.verdicts import (
    Kind,
    Statement,
    find_statements,
)


def parse_score_line(response: str) -> ParsedResponse:
    r"""Return the score that a judge gives the whole essay.

    It stands on a line of its own after `SCORE:`, `Rating:`, `Overall:`, `Total:` or `Final …:`,
    or below such a line, or is all that a line has, as `[[8]]`, `\boxed{8}` or
    `<score>8</score>`. Where no line has one, a sentence can: `The final score is 6 out of 10.`
    A total counts before the scores of single criteria, which are not read.

    Anything else that could be a score must not contradict it: no guess is made.

    Raises:
        NotReadableError: There is no score, or an answer that a person could take in two ways.
    """
    lines, reasoned = _lines(response)
    reasoned += [line for line in lines if line.source == "reasoned"]
    said = [line for line in lines if line.source == "said"]
    statements = list(_in_context(said, lines))
    if not any(statement.kind != "mention" for statement in statements):
        statements += _only_code(lines)
    verdict, score = _verdict(statements, said)
    for thought in _in_context(reasoned, reasoned):
        if thought.kind in ("afterwards", "criterion"):
            continue
        if thought.score is None or agree(score, thought.score) is None:
            raise _contradiction(verdict, thought)
    text = "\n".join(line.text for line in said)
    refusal = phrases.REFUSAL.search(text)
    if refusal is not None:
        raise NotReadableError(f"the judge says {refusal[0]!r}, and {verdict}")
    below = [line.text for line in said if line.number > verdict.line.number]
    if below and (taken_back := phrases.NOT_THE_JUDGES.search(text)):
        raise NotReadableError(f"{taken_back[0]!r} is said of or beside {verdict}")
    return ParsedResponse(str(score), score, verdict.line.number, tuple(_other_scales(said, score)))


def _lines(response: str) -> tuple[list[Line], list[Line]]:
    """Return the lines of the answer and of the reasoning in it that could be its answer too."""
    answer = split_reasoning(response)
    text, start = after_lone_closing(answer)
    reasoned: list[Line] = []
    number, place = 1, 0
    for block in answer.reasoning:
        number += line_number(response[place : block.start]) - 1
        place = block.start
        if block.mark != "think":
            reasoned += read_lines(block.text, number, "reasoned")
    return list(read_lines(text, line_number(response[:start]))), reasoned


def _other_scales(said: Sequence[Line], score: Score) -> Iterator[float]:
    """Yield the maxima of scales that the answer says it uses, and that a score could be of."""
    for line in said:
        if phrases.OF_EACH.search(line.text):
            continue
        for match in phrases.SCALES.finditer(line.text):
            scale = read_scale(match[0])
            if scale is not None and scale[1] >= score.value:
                yield scale[1]


# What a statement is by the lines around it

_TITLE_WORDS: Final = 6


def _in_context(of: Sequence[Line], lines: Sequence[Line]) -> Iterator[Statement]:
    """Yield the statements in `of`, each as what the lines around it make of it."""
    place = {line.number: i for i, line in enumerate(lines)}
    for statement in find_statements(of):
        if statement.kind not in ("plain", "total"):
            yield statement
            continue
        i = place[statement.line.number]
        above = lines[i - 1] if i and lines[i - 1].source == statement.line.source else None
        below = lines[i + 1] if i + 1 < len(lines) else None
        if statement.kind == "plain" and statement.line.item:
            continue  # the score of a criterion in a list
        if phrases.are_around(statement.line, above, below):
            reason = "it is part of a sentence around it"
            yield attrs.evolve(statement, score=None, reason=reason)
        elif statement.kind == "plain" and above is not None and _is_title(above, statement.line):
            kind: Kind = "total" if phrases.TOTAL_TITLE.fullmatch(above.text) else "criterion"
            yield attrs.evolve(statement, kind=kind)
        else:
            yield statement


def _is_title(above: Line, line: Line) -> bool:
    """Return whether the line above is a title, such as that of a criterion."""
    if above.text.startswith("<"):
        return False
    if phrases.VERDICT_TITLE.fullmatch(above.text) and not phrases.TOTAL_TITLE.fullmatch(
        above.text
    ):
        return False
    if above.heading or above.item:
        return above.heading or len(above.text.split()) <= _TITLE_WORDS
    return (
        above.number == line.number - 1
        and len(above.text.split()) <= _TITLE_WORDS
        and above.text[-1] not in ".!?,;|-"
    )


def _only_code(lines: Sequence[Line]) -> list[Statement]:
    """Return the score that is all there is in a block of code at the end of an answer."""
    code = [line for line in lines if line.source == "fenced"]
    if len(code) != 1 or code[0] is not lines[-1]:
        return []
    above = lines[-2].text if len(lines) > 1 else "."
    if above[-1] not in ".!?:" or phrases.LEADS_ELSEWHERE.search(above):
        return []
    return list(find_statements(code))


# Which statement is the verdict


def _verdict(statements: Sequence[Statement], said: Sequence[Line]) -> tuple[Statement, Score]:
    """Return the statement that decides, and what it says together with all that confirm it.

    Raises:
        NotReadableError: There is none, or another one contradicts it.
    """
    deciding = _deciding(statements, said)
    if not deciding:
        others = [s for s in statements if s.kind != "afterwards"]
        seen = f": {others[-1]} is not a form that is read" if others else ""
        raise NotReadableError(f"no line gives a score, such as 'SCORE: 7'{seen}")
    readable = [statement for statement in deciding if statement.score is not None]
    if not readable:
        raise NotReadableError(f"{deciding[-1]}: {deciding[-1].reason}")
    verdict = readable[-1]
    score = readable[-1].score
    assert score is not None  # noqa: S101  readable statements have one
    for other in _must_agree(statements, deciding, verdict):
        agreed = _agreed(score, other)
        if agreed is None:
            raise _contradiction(verdict, other)
        score = agreed
    return verdict, score


def _deciding(statements: Sequence[Statement], said: Sequence[Line]) -> list[Statement]:
    of_kind = {
        kind: [statement for statement in statements if statement.kind == kind]
        for kind in ("total", "plain", "criterion", "sentence")
    }
    plain, last = of_kind["plain"], said[-1] if said else None
    asked = [statement for statement in plain if statement.asked]
    if len(asked) == 1 and last and asked[0].line.number == last.number and len(plain) > 1:
        plain = asked  # the form that templates ask for, below scores in another
    criteria = of_kind["criterion"]
    if (
        len(criteria) == 1
        and not plain
        and criteria[0].asked
        and last
        and criteria[0].line.number == last.number
    ):
        plain = criteria
    totals = of_kind["total"]
    if totals and all(statement.score is None for statement in totals):
        return [*totals, *plain]
    return totals or plain or of_kind["sentence"]


def _must_agree(
    statements: Sequence[Statement], deciding: Sequence[Statement], verdict: Statement
) -> Iterator[Statement]:
    """Yield the statements that a verdict must not contradict."""
    chosen = {id(statement) for statement in deciding}
    before = {
        statement.score
        for statement in statements
        if statement.kind == "plain" and statement.line.number < deciding[0].line.number
    }
    for statement in statements:
        if statement is verdict or _of_a_part(statement, verdict):
            continue
        later = statement.line.number > verdict.line.number
        of_a_criterion = statement.kind == "plain" and (len(before) > 1 or _is_asked(verdict))
        if (
            later
            or id(statement) in chosen
            or statement.kind in ("mention", "sentence")
            or (statement.kind == "plain" and not of_a_criterion)
        ):
            yield statement


def _of_a_part(statement: Statement, verdict: Statement) -> bool:
    """Return whether a number below a verdict is on a scale of its own: that of a criterion."""
    if statement.kind != "afterwards" or statement.score is None or verdict.score is None:
        return False
    scales = {statement.score.maximum, verdict.score.maximum}
    return None not in scales and len(scales) > 1


def _is_asked(verdict: Statement) -> bool:
    return verdict.kind == "plain" and verdict.asked


def _agreed(score: Score, other: Statement) -> Score | None:
    """Return what a score and another statement say together.

    One that is not clear itself (`6.5/10, rounded to 7/10`) agrees if it names the score.
    """
    if other.score is not None:
        return agree(score, other.score)
    agreed = [together for named in other.alternatives if (together := agree(score, named))]
    return agreed[0] if len(set(agreed)) == 1 else None


def _contradiction(verdict: Statement, other: Statement) -> NotReadableError:
    return NotReadableError(f"two scores: {verdict}, and {other}")
