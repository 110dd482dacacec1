"""`examples/batch.py`: every prompt once, whatever interrupts the run, and each error with its row."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.errors import PortkeyAuthenticationError, PortkeyConnectionError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, StandInProvider
from tests.examples.notebooks import EXAMPLES

PROMPTS = {f"p{number}": f"prompt {number}" for number in range(40)}


class Mood(BaseModel):
    mood: str


@pytest.fixture
def batch(examples_importable: None) -> ModuleType:
    import batch

    return batch


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.fixture
def model(pinned_gateway: LocalGateway, provider: StandInProvider) -> ChatPortkey:
    return ChatPortkey(
        model="openai/gpt-4o-mini", base_url=pinned_gateway.base_url, custom_host=provider.url, max_retries=0
    )


def ids(path: Path) -> Counter[str]:
    return Counter(json.loads(line)["id"] for line in path.read_bytes().splitlines())


def fails_on(*words: str, status: int = 400) -> Any:
    def handler(request: ReceivedRequest) -> Failure | None:
        said = str(request.json["messages"][-1]["content"])
        return Failure(status, f"No: {said}") if any(said.endswith(f" {word}") for word in words) else None

    return handler


def echo(delay: float = 0.0) -> RunnableLambda[str, str]:
    """A chain that asks nobody."""

    async def say(text: str) -> str:
        await asyncio.sleep(delay)
        return text.upper()

    return RunnableLambda(say)


@pytest.mark.gateway
async def test_every_prompt_gets_a_row_with_its_answer_and_counts(
    batch: ModuleType, model: ChatPortkey, results: Path, provider: StandInProvider
) -> None:
    counts = await batch.run(model, PROMPTS, results, progress=False)
    rows = batch.read_results(results)
    assert counts == batch.Counts(answered=40, failed=0, skipped=0)
    assert rows.keys() == PROMPTS.keys()
    assert rows["p7"]["answer"]["text"].endswith("You said: prompt 7")
    assert rows["p7"]["answer"]["usage"]["input_tokens"] > 0
    assert rows["p7"].keys() == {"id", "at", "seconds", "answer"}
    assert len(provider.requests) == 40


@pytest.mark.gateway
async def test_errors_stay_with_their_rows_and_are_asked_again_on_request_only(
    batch: ModuleType, model: ChatPortkey, results: Path, provider: StandInProvider
) -> None:
    provider.answer_with(fails_on("3", "5"))
    assert await batch.run(model, PROMPTS, results, progress=False) == batch.Counts(38, 2, 0)
    error = batch.read_results(results)["p3"]["error"]
    assert error["type"] == "PortkeyBadRequestError"
    assert "No: prompt 3" in error["message"]

    provider.clear()
    assert await batch.run(model, PROMPTS, results, progress=False) == batch.Counts(0, 0, 40)
    assert provider.requests == []
    assert await batch.run(model, PROMPTS, results, progress=False, retry_errors=True) == batch.Counts(2, 0, 38)
    assert len(provider.requests) == 2
    assert not [row for row in batch.read_results(results).values() if "error" in row]


@pytest.mark.gateway
async def test_an_error_that_all_prompts_meet_ends_the_run_and_is_no_row(
    batch: ModuleType, model: ChatPortkey, results: Path, provider: StandInProvider
) -> None:
    provider.answer_with(fails_on("9", status=401))
    with pytest.raises(PortkeyAuthenticationError):
        await batch.run(model, PROMPTS, results, progress=False, concurrency=1)
    assert list(ids(results)) == [f"p{number}" for number in range(9)]
    provider.answer_with(None)
    assert (await batch.run(model, PROMPTS, results, progress=False)).skipped == 9
    assert ids(results) == dict.fromkeys(PROMPTS, 1)


async def test_a_cancelled_run_goes_on_where_it_was(batch: ModuleType, results: Path) -> None:
    task = asyncio.create_task(batch.run(echo(0.01), PROMPTS, results, progress=False, concurrency=4))
    while len(batch.read_results(results)) < 8:  # noqa: ASYNC110 - another process would look at the file too
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    there = len(ids(results))
    assert 8 <= there < 40
    assert await batch.run(echo(), PROMPTS, results, progress=False) == batch.Counts(40 - there, 0, there)
    assert ids(results) == dict.fromkeys(PROMPTS, 1)


@pytest.mark.parametrize("torn", [b'{"id": "p1", "ans', b'{"id": "p1", "answer": "x"}', b"\xe2\x80"])
def test_a_line_that_a_dying_program_cut_off_does_no_harm(batch: ModuleType, results: Path, torn: bytes) -> None:
    results.write_bytes(b'{"id": "p0", "answer": "first"}\n' + torn)
    asyncio.run(batch.run(echo(), PROMPTS, results, progress=False))
    rows = batch.read_results(results)
    assert rows.keys() == PROMPTS.keys()
    assert rows["p0"]["answer"] == "first"
    assert b"\n{" in results.read_bytes().partition(torn)[2]


async def test_no_more_calls_are_open_and_no_more_prompts_taken_than_allowed(batch: ModuleType) -> None:
    taken, open_calls, most = 0, 0, 0

    def prompts() -> Any:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield str(number), number

    async def say(number: int) -> int:
        nonlocal open_calls, most
        open_calls += 1
        most = max(most, open_calls)
        await asyncio.sleep(0.001)
        open_calls -= 1
        return number

    seen = 0
    async for _ in batch.answers(RunnableLambda(say), prompts(), concurrency=5):
        seen += 1
        assert taken <= seen + 2 * 5
    assert (most, seen, taken) == (5, 30, 30)


async def test_calls_begin_no_faster_than_the_rate(batch: ModuleType) -> None:
    begin = time.monotonic()
    rows = [row async for row in batch.answers(echo(), PROMPTS.items(), concurrency=40, requests_per_second=100)]
    assert len(rows) == 40
    assert time.monotonic() - begin > 0.35


@pytest.mark.parametrize(
    ("output", "written"),
    [
        (AIMessage("Hi"), {"text": "Hi", "usage": None}),
        (AIMessage([{"type": "text", "text": "Hi"}]), {"text": "Hi", "usage": None}),
        (Mood(mood="good"), {"mood": "good"}),
        ("line\u2028separator\u0085", "line\u2028separator\u0085"),
        ({"a": [1]}, {"a": [1]}),
    ],
)
async def test_what_a_chain_gives_is_read_back_from_the_file(
    batch: ModuleType, results: Path, output: Any, written: Any
) -> None:
    await batch.run(RunnableLambda(lambda _: output), {"x": ""}, results, progress=False)
    assert batch.read_results(results)["x"]["answer"] == written


async def test_an_answer_that_is_no_json_is_an_error_of_its_row(batch: ModuleType, results: Path) -> None:
    chain = RunnableLambda(lambda text: object() if text == "prompt 3" else text)
    assert await batch.run(chain, PROMPTS, results, progress=False) == batch.Counts(39, 1, 0)
    assert batch.read_results(results)["p3"]["error"]["type"] == "TypeError"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
class TestDask:
    @pytest.fixture
    def client(self) -> Any:
        from distributed import Client

        with Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as client:
            yield client

    def test_writes_the_same_rows_and_skips_what_is_there(self, batch: ModuleType, results: Path, client: Any) -> None:
        results.write_text('{"id": "p0", "answer": "first"}\n', encoding="utf-8")
        counts = batch.run_on_dask(client, echo(), PROMPTS, results, chunk=7, progress=False)
        rows = batch.read_results(results)
        assert counts == batch.Counts(answered=39, failed=0, skipped=1)
        assert (rows["p0"]["answer"], rows["p39"]["answer"]) == ("first", "PROMPT 39")
        assert ids(results) == dict.fromkeys(PROMPTS, 1)

    def test_an_error_that_all_prompts_meet_comes_back_as_it_is_and_answers_are_kept(
        self, batch: ModuleType, results: Path, client: Any
    ) -> None:
        async def say(text: str) -> str:
            if text == "prompt 39":
                raise PortkeyConnectionError("Nothing answers at http://localhost:9.")
            return text

        with pytest.raises(PortkeyConnectionError, match="Nothing answers"):
            batch.run_on_dask(client, RunnableLambda(say), PROMPTS, results, chunk=10, concurrency=1, progress=False)
        assert ids(results).keys() == PROMPTS.keys() - {"p39"}


@pytest.mark.gateway
def test_the_program_asks_what_a_file_holds(
    pinned_gateway: LocalGateway, provider: StandInProvider, results: Path, tmp_path: Path
) -> None:
    prompts, catalogue = tmp_path / "prompts.jsonl", tmp_path / "models.toml"
    prompts.write_text("".join(json.dumps({"id": name, "prompt": text}) + "\n" for name, text in PROMPTS.items()))
    host = f'provider = "openai"\nmodel = "gpt-4o-mini"\ncustom_host = "{provider.url}"\n'
    catalogue.write_text(f"[house-model]\n{host}")
    environment = {**os.environ, "PORTKEY_GATEWAY_URL": pinned_gateway.base_url, "PORTKEY_CATALOGUE": str(catalogue)}
    command = [sys.executable, str(EXAMPLES / "batch.py"), str(prompts), str(results), "--model", "house-model"]
    said = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)
    ]
    assert said == ["40 answered, 0 failed, 0 were there\n", "0 answered, 0 failed, 40 were there\n"]
    assert ids(results) == dict.fromkeys(PROMPTS, 1)
