"""Every notebook runs without a key, shows what it says it shows, and is committed with its output."""

from __future__ import annotations

import ast
import importlib
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider
from tests.examples.notebooks import EXAMPLES, NOTEBOOKS, copied_examples, execute, without_keys

pytestmark = pytest.mark.timeout(300)  # a whole notebook, on a machine that may be busy

PRIVATE = re.compile(r"/home/|/root/|/tmp/|/Users/|site-packages|127\.0\.0\.1:\d|localhost:\d{5}|AKIA|sk-[A-Za-z0-9]")
"""What belongs to one machine or one run: paths, chosen ports, keys."""

KEYS = (
    "ANTHROPIC_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "OPENAI_API_KEY",
)

Executed = Callable[[str], NotebookNode]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: NotebookNode) -> str:
    """What a cell shows, as text."""
    return "".join(
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "") + "\n"
        for output in cell.outputs
    )


def whole_text(notebook: NotebookNode) -> str:
    return "\n".join(text_of(cell) for cell in code_cells(notebook))


def pictures(notebook: NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs)


def varies(cell: NotebookNode) -> bool:
    """Whether a cell shows times or chance, so that no two runs agree."""
    return "varies" in cell.metadata.get("tags", [])


@pytest.fixture(scope="module")
def executed(pinned_gateway: LocalGateway, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    """Executes a notebook of this name in a copy of the examples; once, whichever test asks first."""

    @cache
    def run(name: str) -> NotebookNode:
        scratch = tmp_path_factory.mktemp(name.partition(".")[0])
        environment = without_keys(os.environ, scratch, pinned_gateway)
        return execute(EXAMPLES / name, copied_examples(scratch), environment)

    return run


@pytest.mark.gateway
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_without_a_key_and_shows_what_is_committed(notebook: Path, executed: Executed) -> None:
    fresh, committed = executed(notebook.name), nbformat.read(notebook, as_version=4)
    assert "a stand-in plays the answers" in whole_text(fresh)
    assert [cell.source for cell in code_cells(fresh)] == [cell.source for cell in code_cells(committed)]
    for new, old in zip(code_cells(fresh), code_cells(committed), strict=True):
        if not varies(old):
            assert text_of(new) == text_of(old), "run `make notebooks`"
            assert [output.output_type for output in new.outputs] == [output.output_type for output in old.outputs]


@pytest.mark.gateway
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_with_keys(
    notebook: Path,
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
    tmp_path: Path,
    examples_importable: None,
) -> None:
    """As a reader runs it with keys, up to the gateway: nothing of it depends on the stand-in that it starts itself."""
    folder = copied_examples(tmp_path)
    (module,) = re.findall(
        r"^from played import (\w+)", nbformat.read(notebook, as_version=4).cells[1].source, re.MULTILINE
    )
    provider.answer_with(importlib.import_module(f"played.{module}").play)
    environment = {
        **without_keys(os.environ, tmp_path, pinned_gateway),
        **dict.fromkeys(KEYS, "key-of-a-reader"),
        "TEST_STAND_IN": provider.url,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "with_keys"), os.environ.get("PYTHONPATH", "")]),
    }
    text = whole_text(execute(notebook, folder, environment))
    assert "Keys found" in text
    assert "a stand-in plays the answers" not in text
    assert "key-of-a-reader" not in text
    assert provider.requests
    refused = [request.refused for request in provider.requests if request.refused]
    assert refused == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestCommitted:
    def test_every_cell_has_run_in_order_and_none_failed(self, notebook: Path) -> None:
        cells = code_cells(nbformat.read(notebook, as_version=4))
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
        # Warnings would come there; a progress bar does.
        said = [output.text for cell in cells for output in cell.outputs if output.get("name") == "stderr"]
        assert not [text for text in said if not re.fullmatch(r"\s*100%\|█+\|.*|\s*\d+%\|.*\d+/\d+.*", text.strip())]

    def test_nothing_of_one_machine_or_run_is_in_it(self, notebook: Path) -> None:
        committed = nbformat.read(notebook, as_version=4)
        everything = whole_text(committed) + "".join(cell.source for cell in committed.cells)
        assert PRIVATE.findall(everything) == []
        assert committed.metadata.keys() == {"kernelspec", "language_info"}
        assert {key for cell in committed.cells for key in cell.metadata} <= {"tags"}

    def test_its_first_words_say_how_to_run_it_for_real(self, notebook: Path) -> None:
        first = nbformat.read(notebook, as_version=4).cells[0]
        assert first.cell_type == "markdown"
        assert first.source.startswith("# ")
        assert "_KEY" in first.source

    def test_it_imports_nothing_private(self, notebook: Path) -> None:
        sources = [cell.source for cell in code_cells(nbformat.read(notebook, as_version=4))]
        names = [
            part
            for source in sources
            for node in ast.walk(
                compile(source, notebook.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            )
            if isinstance(node, ast.ImportFrom)
            for part in [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        ]
        assert [name for name in names if name.startswith("_")] == []


SHOWN = {
    "01_first_steps": [
        "'output_tokens': 22",
        "One, two, three",
        "[('order_status', {'number': 4711})]",
        "Film(title='Playtime', year=1967)",
        "UnknownModelError: No catalogue name is 'claude-sonet-4.5'",
        "COHERE_API_KEY",
        "PortkeyBadRequestError: bedrock answered 400",
        "PortkeyConnectionError: Nothing answers",
    ],
    "02_streaming_and_async": [
        "more than 50 pieces: True",
        "[reasoning] Letter by letter",
        "[text] Three",
        "{'restaurant': 'Chez Mari'}",
        "on_chat_model_end ChatPortkey",
        "thought: Letter by letter",
        "cancelled: True",
        "PortkeyStreamTruncatedError",
        "It had said: Long ago",
        "open at once, at most: 4",
    ],
    "03_agent_with_caching": [
        "late_fee({'category': 'yellow ring', 'days': 2})",
        "Yes, between 10 and 13 o'clock",
        "of what they cost without caching",
    ],
    "04_rag": [
        "13 sections",
        "Answer(answer='Items marked with a yellow ring",
        "Can I bring broken things to the repair café?\n  On the first Saturday of a month",
        "True ['Late returns']",
    ],
    "05_images_and_pdfs": [
        "May: its bar is the tallest",
        "set download_images=True",
        '"media_type": "application/pdf"',
        '{"document": {"format": "pdf"',
        '"type": "file", "file": {"filename": "invoice.pdf"',
        '{"inlineData": {"mimeType": "application/pdf"',
        '{"role": "tool", "tool_call_id": "toolu_standin000004_0", "content": "The yard, now:"}',
    ],
    "06_fallbacks_and_load_balancing": [
        "'last_used_option_index': 'config.targets[1]'",
        "60 of 60 answered",
        "{'bedrock': 40, 'mistral-ai': 20}",
        "200 of 200 answered",
        "ticket 30, paid: billing, by mistral-ai",
        "ticket 50, free: repair, by groq",
    ],
    "07_thousands_of_prompts": [
        "skipped what was there: True",
        "every review has its row: True",
        "Counter({'PortkeyServerError': 7, 'PortkeyBadRequestError': 3})",
        "Counts(answered=7, failed=3, skipped=990)",
        "took nearly half a second at least: True",
        "2 processes: Counts(answered=198, failed=2, skipped=1000)",
    ],
}
PICTURES = {
    "03_agent_with_caching": 1,
    "05_images_and_pdfs": 1,
    "06_fallbacks_and_load_balancing": 2,
    "07_thousands_of_prompts": 1,
}


@pytest.mark.gateway
@pytest.mark.parametrize(("name", "text"), [(name, text) for name, shown in SHOWN.items() for text in shown])
def test_shows(name: str, text: str, executed: Executed) -> None:
    assert text in whole_text(executed(f"{name}.ipynb"))


@pytest.mark.gateway
@pytest.mark.parametrize(("name", "count"), PICTURES.items())
def test_plots(name: str, count: int, executed: Executed) -> None:
    assert pictures(executed(f"{name}.ipynb")) == count


@pytest.mark.gateway
def test_each_call_of_the_agent_reads_all_that_the_calls_before_it_left(executed: Executed) -> None:
    text = whole_text(executed("03_agent_with_caching.ipynb"))
    rows = [
        [int(number.replace(",", "")) for number in row]
        for row in re.findall(r"^ +(\d) +([\d,]+) +([\d,]+) +([\d,]+)$", text, re.MULTILINE)
    ]
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    reads, writes = [row[1] for row in rows], [row[2] for row in rows]
    assert reads == [0, *(read + written for read, written in zip(reads, writes, strict=True))][:5]
    assert all(written > 0 for written in writes)


@pytest.mark.gateway
def test_the_cached_handbook_is_written_once_and_read_by_every_later_question(executed: Executed) -> None:
    text = whole_text(executed("04_rag.ipynb"))
    rows = re.findall(r"^ *([\d,]+) +([\d,]+) +(\d+)  [A-Z]", text, re.MULTILINE)
    size = rows[0][1]
    assert int(size.replace(",", "")) > 1024
    assert [(read, written) for read, written, _ in rows] == [("0", size), (size, "0"), (size, "0"), (size, "0")]
