"""The process in which one contender is measured. It is told what to do, one JSON line at a time, on standard input.

`{"measure": "invoke", "n": 10}` is answered by `{"values": {...}, "seconds": 1.2}` or `{"error": "..."}`; `"check"`
instead of `"n"` lets the outcome be checked, `"profile"` with a file's name writes a profile there.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import io
import json
import os
import pstats
import sys
import time
import urllib.request
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from benchmarks.answers import answer
from benchmarks.contenders import CONTENDERS
from benchmarks.measures import MEASURES, Measure, Values
from benchmarks.subjects import QUESTION, tools


class Client:
    """What measures need: models of this process's contender, and an event loop that lasts.

    Args:
        name: The contender.
        origin: Where the server is.
    """

    def __init__(self, name: str, origin: str) -> None:
        self.contender = CONTENDERS[name]
        self._origin = origin
        self._models: dict[tuple[str, int], Any] = {}
        self._runner = asyncio.Runner()
        self._asked = 0

    def url(self, path: str) -> str:
        return f"{self._origin}/{path}/v1"

    def model(self, name: str, *, tools_bound: int = 0, prefix: str = "") -> Any:
        """The contender's model whose every call gets the answer of this name; the same one each time."""
        path = f"{prefix}/{name}" if prefix else name
        key = (path, tools_bound)
        if key not in self._models:
            model = self.contender.make(self.url(path))
            self._models[key] = model.bind_tools(tools(tools_bound)) if tools_bound else model
        return self._models[key]

    def question(self, messages: Any) -> Any:
        """Messages as the contender takes them: raw httpx has no use for LangChain's."""
        if self.contender.name != "httpx" or isinstance(messages, str):
            return messages
        from benchmarks.floor import to_wire

        return [to_wire(message) for message in messages]

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    def connections_opened(self) -> int:
        """How many connections the server was asked for so far, without those of questions like this."""
        return self._server("connections") - self._asked

    def close_connections(self) -> None:
        """Let the server close all connections, as a gateway does with those that lay idle for some seconds."""
        self._server("close")

    def _server(self, what: str) -> int:
        self._asked += 1
        with urllib.request.urlopen(f"{self._origin}/-/{what}") as response:
            return int(response.read())

    def check(self, measure: Measure) -> str | None:
        """What is wrong with the outcome of a measure's calls, in a word; `None` if nothing is."""
        if measure.answer is None or self.contender.name in ("core", "httpx"):
            return None
        expected = answer(measure.answer)
        model = self.model(measure.answer)
        if not expected.is_stream:
            return None if model.invoke(QUESTION).text == expected.text else "wrong"
        chunks = list(model.stream(QUESTION))
        if expected.kind == "tool" and expected.size > 500:  # adding these up takes LangChain minutes
            pieces = (call["args"] or "" for chunk in chunks for call in chunk.tool_call_chunks)
            return None if json.loads("".join(pieces)) == expected.arguments else "wrong"
        total = chunks[0]
        for chunk in chunks[1:]:
            total += chunk
        if str(total.text) != expected.text:
            return "wrong"
        if expected.kind == "tool" and [call["args"] for call in total.tool_calls] != [expected.arguments]:
            return "wrong"
        if expected.kind == "thinking" and "c2lnbmF0dXJl" not in str(total):
            return "thinking lost"
        if len(chunks) < expected.size:
            return f"{len(chunks)} chunks only"
        return None

    def profile(self, measure: Measure, n: int, path: str) -> Values:
        """Measure under cProfile and write what took the time."""
        measure.run(self, 1)
        profiler = cProfile.Profile()
        values = profiler.runcall(measure.run, self, n)
        text = io.StringIO()
        statistics = pstats.Stats(profiler, stream=text).strip_dirs()
        statistics.sort_stats("tottime").print_stats(45)
        statistics.sort_stats("cumtime").print_stats(70)
        Path(path).write_text(f"{self.contender.title}: {measure.title}, {n} times\n{text.getvalue()}")
        return values


def main() -> None:
    # Libraries print to standard output; the answers go to a copy of it that only this process knows.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    client = Client(*sys.argv[1:3])
    for line in sys.stdin:
        asked = json.loads(line)
        measure = MEASURES[asked["measure"]]
        if not asked.get("trial"):
            gc.collect()  # a tenth of a second with the larger SDKs
        begun = time.perf_counter()
        try:
            if "check" in asked:
                result: dict[str, Any] = {"problem": client.check(measure)}
            elif "profile" in asked:
                result = {"values": client.profile(measure, asked["n"], asked["profile"])}
            else:
                result = {"values": measure.run(client, asked["n"])}
        except Exception as error:  # noqa: BLE001  # a contender that fails is a result
            result = {"error": f"{type(error).__name__}: {error}"[:300]}
        result["seconds"] = time.perf_counter() - begun
        answers.write(json.dumps(result) + "\n")
        answers.flush()
    os._exit(0)  # without waiting for what libraries leave behind


if __name__ == "__main__":
    main()
