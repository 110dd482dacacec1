"""The table of features in the README: our column is tried here, and it is what the README says."""

from __future__ import annotations

import re

import pytest

from benchmarks.features.__main__ import gateway_version
from benchmarks.features.scene import NotThereError
from benchmarks.features.table import FEATURES, Stage, Try, Verdict, better, table
from benchmarks.readme import README, marks, written
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider


def block() -> str:
    """What stands between the marks in the README."""
    begin, end = marks("features")
    return README.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]


@pytest.fixture
def stage(pinned_gateway: LocalGateway, plain_gateway: LocalGateway, provider: StandInProvider) -> Stage:
    return Stage(pinned_gateway, plain_gateway, provider)


@pytest.mark.gateway
@pytest.mark.parametrize("trial", [pytest.param(trial, id=trial.__name__) for trial in FEATURES.values()])
def test_it_arrives(trial: Try, stage: Stage) -> None:
    assert stage.ours(trial) == Verdict("yes")


def test_the_readme_has_each_feature_and_says_yes() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", block(), flags=re.MULTILINE)
    assert [feature for feature, _, _ in rows] == list(FEATURES)
    assert {ours for _, _, ours in rows} == {"✓"}


@pytest.mark.gateway
def test_the_readme_names_the_gateway_that_is_tried() -> None:
    words = " ".join(block().split())
    assert f"gateway ({gateway_version()})" in words
    assert re.search(r"`langchain-openai` \d+\.\d+", words)


def test_writing_the_table_again_changes_nothing() -> None:
    page = README.read_text(encoding="utf-8")
    assert written(page, "features", block().strip()) == page


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(SystemExit, match="features:begin"):
        written("# A page\n", "features", "a table")


def test_rows_in_markdown() -> None:
    rows = [("text", Verdict("yes"), Verdict("yes")), ("keys", Verdict("partly", "AWS"), Verdict("no", "raises"))]
    assert table(rows).splitlines()[2:] == ["| text | ✓ | ✓ |", "| keys | partly: AWS | ✗ raises |"]


YES, NO, PARTLY = Verdict("yes"), Verdict("no", "dropped"), Verdict("partly", "on a dict")


@pytest.mark.parametrize(
    ("documented", "lenient", "expected"),
    [
        (YES, YES, YES),
        (NO, NO, NO),
        (NO, YES, Verdict("yes", "strict mode off")),
        (NO, PARTLY, Verdict("partly", "on a dict, strict mode off")),
        (YES, NO, Verdict("yes", "strict mode on")),
    ],
)
def test_the_better_one_of_the_recipes_counts(documented: Verdict, lenient: Verdict, expected: Verdict) -> None:
    assert better(documented, lenient) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [(NotThereError("dropped"), Verdict("no", "dropped")), (TypeError("x"), Verdict("no", "raises `TypeError`"))],
)
@pytest.mark.gateway
def test_what_fails_is_a_no(error: Exception, expected: Verdict, stage: Stage) -> None:
    def failing(_: object) -> None:
        raise error

    assert stage.ours(failing) == expected
