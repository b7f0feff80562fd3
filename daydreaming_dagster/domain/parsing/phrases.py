"""The phrases by which an answer states a score, takes one back, or says whose it is.

All are looked for in the text of a `Line`, which has single spaces.
"""

import re
from typing import Final

from daydreaming_dagster.domain.parsing.lines import Line
from daydreaming_dagster.domain.parsing.values import NUMBER_WORDS


def _any_of(*alternatives: str, before: str = r"\b", after: str = r"\b") -> re.Pattern[str]:
    return re.compile(rf"{before}(?:{'|'.join(alternatives)}){after}", re.IGNORECASE)


_NUMBER: Final = rf"(?:[-+]?\d|(?:{'|'.join(NUMBER_WORDS)})\b)"
ESSAY: Final = r"(?:essay|text|response|answer|piece|work|story|submission)"
_NOUN: Final = r"(?:score|rating|grade|mark|verdict)"
_TOTAL: Final = r"(?:final|overall|total)"
_NOT_OF_A_CRITERION: Final = r"(?!\S{0,12} (?:points? )?(?:for|on|in)\b)"
_A: Final = r"(?:an? |only |just |now |therefore |thus |not |about |around )?"

NUMBER: Final = _any_of(_NUMBER, before="", after="")
NUMBER_AT_END: Final = _any_of(_NUMBER, before="", after="$")
BEGINS_NUMBER: Final = _any_of(
    rf"(?:about |around |between |roughly |an? |[~\u2248<>(\[$])? ?{_NUMBER}", before="", after=""
)

MENTIONS: Final = _any_of(
    # my rating for the essay: 8; the score should be 5
    rf"\b(?:{_TOTAL}|my|the|its|this|{ESSAY}'?s?) (?:own |{_TOTAL} )?{_NOUN}"
    rf"(?: (?:for|of) (?:the|this) {ESSAY})? ?"
    r"(?:[:=]|-|->|is|was|of|would be|should be|will be|must be|can be|becomes?|stands at|comes to"
    rf"|remains) ?{_A}{_NUMBER}",
    # I would give it a 7
    r"\bI(?:'d|'ll| would| will| must| can| could| have to)? (?:now |only |instead |then |rather )?"
    r"(?:rate|grade|score|give|award|assign|gave|settle|go|put) "
    rf"(?:(?:it|this|them|this one|(?:the|this) {ESSAY}) )?"
    rf"(?:(?:an?|the) (?:{_TOTAL} )?{_NOUN} of )?(?:at |as |on |for |with )?"
    rf"{_A}{_NUMBER}{_NOT_OF_A_CRITERION}",
    # the essay deserves two points; this essay is a 3 at best
    rf"\b(?:{ESSAY}|it|this) (?:deserves?|merits?|earns?|gets?|receives?|is worth|rates?|scores?) "
    rf"(?:(?:an?|the) {_NOUN} of )?{_A}{_NUMBER}{_NOT_OF_A_CRITERION}",
    rf"\b(?:{ESSAY}|it|this) is (?:only |just )?an? {_NUMBER}(?=[/.,!]|$| (?:at|out|of)\b)",
    # forms that are read where they have the line to themselves
    rf"\[\[ ?{_NUMBER}",
    rf"\\boxed\{{ ?{_NUMBER}",
    rf"<(?:\w{{1,9}} )?(?:score|rating)> ?{_NUMBER}",
    rf"[\"'](?:\w{{1,9}} )?(?:score|rating)[\"'] ?[:=] ?[\"']?{_NUMBER}",
    rf"^\| ?(?:{_TOTAL} ?)*(?:score|rating)? ?\| ?{_NUMBER}",
    rf"(?:^|[>|({{\"] ?)(?:{_TOTAL} ?){{1,3}}(?:{_NOUN} ?)?[:=] ?{_NUMBER}",
    # Score 8; Overall 8; My grade: 8
    rf"^(?:my |the )?{_NOUN} ?[:=]? ?{_NUMBER}",
    rf"^(?:{_TOTAL} ){{1,3}}(?:{_NOUN} ?)?-?{_NUMBER}",
    before="",
    after="",
)
"""What may state the judge's score in a form that is not read: it must not contradict."""

UPPERCASE: Final = re.compile(r"\bSCORE ?[:=]")
SENTENCE: Final = _any_of(
    r"(?:(?:so|thus|therefore|hence|overall|in total|i give it|i assign)[, ]{1,2})?"
    rf"(?:the|an?|my) {_TOTAL} (?:score|rating)(?: for (?:the|this) {ESSAY})? (?:is|of) ",
    before="^",
    after="",
)
FOR_A_CRITERION: Final = _any_of(r"for (?!(?:the|this|these|all|its)\b)", after="")

AFTERWARDS: Final = _any_of(
    r"(?:updated?|revised|corrected|adjusted|new|amended|weighted|average|mean|aggregate|combined"
    r"|composite|normali[sz]ed|recalculated|true|actual|real)"
    rf" (?:{_TOTAL} )?(?:{_NOUN}|total)",
    r"correction|updated?|edit|erratum|on reflection|second thoughts?|actually|reconsider\w{0,5}",
    r"make (?:it|that)|scratch that|sorry|wait|oops|instead|meant|should (?:be|have been)",
    r"(?:change|lower|raise|reduce|revise|increase|bump|downgrade|upgrade) (?:it|this|that|my|the)",
    r"deduct\w{0,5}|penalt\w{1,3}|minus|subtract\w{0,4}|inflated|bonus|net|result|re-?read\w{0,3}",
    r"undersells?|oversells?|withdraw|(?:take|took) (?:it|that|this) back|fairer|better",
    r"more (?:fitting|appropriate)",
)
"""What takes back the verdict above it, in a sentence with a number."""
CONFIDENCE: Final = _any_of("confidence|certainty")
BARE_NUMBER: Final = _any_of(
    # Recheck: 5; in the end I went with 5.
    r"(?<![\w.])[-+]?\d{1,2}(?:\.\d{1,2})?(?: ?/ ?\d{1,3})?(?: points?| it is)?[.!)]*$",
    rf"\b(?:{'|'.join(NUMBER_WORDS)})[.!)]*$",
    # 5 would be more accurate
    rf"\b{_NUMBER} (?:is|would be|seems|feels|looks) (?:too |more )?"
    r"(?:right|fair|better|closer|enough|apt|appropriate|accurate|generous|harsh|high|low|honest)",
    r"^\(?\d{1,2}(?:\.\d{1,2})? (?:would|is|was|may|might|seems?|feels?|fits?|after|instead|now)\b",
    before="",
    after="",
)
"""A number that no noun follows: below a verdict, it may be another one."""

HYPOTHETICAL: Final = _any_of(
    "if|unless|were",
    "had (?:it|the)",
    "(?:could|would|might) have",
    "with (?:more|better|some)",
    "a (?:better|stronger|longer|shorter)",
)

LEADS_ELSEWHERE: Final = _any_of(
    "if|unless|were|had|would|could|must|want\\w*|first draft|initial\\w*",
    "can(?:'t|not| not)|unable|won't|refuse\\w*|decline\\w*",
    "form(?:at)?|template|example|such as|placeholder|means?|the following|injection",
    "instruct\\w*|demand\\w*|insist\\w*|tell\\w*|told|ask\\w*|request\\w*|require\\w*",
    "says?|said|claim\\w*|quot\\w*|writ\\w*|contain\\w*|includ\\w*|reads?|output|respond\\w*",
    "repl(?:y|ies)|ends?|ending",
)
"""Words of a sentence that leads to a score which is not, or not yet, the judge's."""

UNFINISHED: Final = _any_of(
    "with|as|in|the|is|to|of|that|says?|form|like|than|be|say|write|output|end|state|reads?",
    "deserves?|merits?|give|an?|for",
    after="$",
)
ORDERS: Final = _any_of(
    "(?:output|write|print|return|end|respond|reply|answer) (?:with )?(?:the following|exactly)"
)
GOES_ON: Final = re.compile(r"[a-z/\\=+]|->|\d[\d.,/ ]*$")

REFUSAL: Final = _any_of(
    r"(?:can't|cannot|can not|won't|will not|unable to|not able to|refuse to|decline to) "
    r"(?:\w{1,12} )?(?:provide|give|assign|offer|produce|evaluate|assess|rate|score|grade|judge) "
    r"(?:(?:it|this|that)(?=\s*(?:[.,;!\n]|$))|(?:it|(?:an?|any|the|this|that|your) "
    r"(?!(?:\w{1,12} )?(?:higher|lower|better|full|perfect|maximum|top)\b)(?:\w{1,12} )?"
    rf"(?:{ESSAY}|rating|score|grade|evaluation|number|verdict)))"
)
NOT_THE_JUDGES: Final = _any_of(
    r"(?:tells?|told|asks?|asked|instructs?|instructed|wants?|demands?|orders?) "
    r"(?:me|us|the (?:judge|grader|evaluator|reviewer|model))",
    r"(?:prompt )?injection",
    r"(?:that|this|which|it) (?:line )?(?:is|was|comes) (?:\w{1,9} ){0,2}"
    r"(?:from the|in the|quoted|what the|an example|a placeholder)",
    r"as (?:it )?(?:asked|instructed|demanded|told)",
)
"""What an answer says of a score that it quotes from the essay or the prompt."""

SCALES: Final = _any_of(
    r"scale (?:of|from) (?:between )?[01] ?(?:-|to|and) ?\d{1,6}",
    r"(?<![\d-])[01] ?(?:-|to) ?\d{1,6} scale",
    r"an? (?:\d{1,6}|\w{3,7})[- ]point scale",
)
OF_EACH: Final = _any_of(
    r"each|every|per|criteri\w{1,3}|dimensions?|aspects?|confidence",
)

VERDICT_TITLE: Final = _any_of(
    "my|the|and|&|final|overall|total|verdict|score|rating|scoring|grade|result|conclusion|summary",
    "evaluation|assessment|judge?ment|justification|answer|output|required|format|reasoning",
    r"analysis|step|\d",
    before=r"(?:",
    after=r"\b[\s:.]*)+",
)
TOTAL_TITLE: Final = _any_of(
    rf"(?:(?:my|the) )?{_TOTAL}"
    r"(?: (?:verdict|score|rating|evaluation|assessment|judge?ment|grade|result))?:?",
    "verdict:?",
    before="",
    after="",
)


def are_around(line: Line, above: Line | None, below: Line | None) -> bool:
    """Return whether the lines around a verdict make it a part of their sentence."""
    if below is not None and GOES_ON.match(below.text):
        return True
    if above is None or above.heading or above.item:
        return False
    if ORDERS.search(above.text):
        return True
    if above.text[-1] in ".!?)|":
        return False
    if UNFINISHED.search(above.text):
        return True
    near = above.number == line.number - 1 or above.text[-1] in ":,"
    return near and LEADS_ELSEWHERE.search(above.text) is not None
