"""Features of answers: what the user gets of what the provider said."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from benchmarks.features.scene import THINKING, Scene, first_that_works, holds, need, objects, whole
from langchain_pollinations_portkey.testing import Reply, ToolCall, Usage

THOUGHT, SIGNATURE, REDACTED = "light scatters, so it must be blue", "U0lHTkFUVVJFLysvPQ==", "UkVEQUNURUQrLz0="
CALL = ToolCall("weather", {"city": "Kyōto"}, id="toolu_1")


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


class Film(BaseModel):
    """A film."""

    title: str
    year: int


def _asked(model: Any, question: str, *, stream: bool) -> Any:
    return whole(model.stream(question)) if stream else model.invoke(question)


def text(scene: Scene) -> None:
    scene.provider.script(Reply("Rayleigh scattering."))
    need(scene.chat().invoke("Why?").text == "Rayleigh scattering.", "other text")


def streamed_text(scene: Scene) -> None:
    scene.provider.script(Reply("one two three four"))
    chunks = list(scene.chat().stream("Count."))
    need("".join(chunk.text for chunk in chunks) == "one two three four", "other text")
    need(sum(bool(chunk.text) for chunk in chunks) > 1, "in one piece")


def tool_calls(scene: Scene) -> None:
    for stream in (False, True):
        scene.provider.script(Reply("I look.", tool_calls=[CALL]), Reply("Sunny."))
        model = scene.chat("anthropic").bind_tools([weather])
        call = _asked(model, "Weather?", stream=stream)
        need([(one["name"], one["args"]) for one in call.tool_calls] == [("weather", {"city": "Kyōto"})], "lost")
        model.invoke([HumanMessage("Weather?"), call, ToolMessage("sunny", tool_call_id=call.tool_calls[0]["id"])])
        results = [one for one in objects(scene.accepted()) if one.get("type") == "tool_result"]
        need([one["tool_use_id"] for one in results] == ["toolu_1"], "the result is lost")


def tools_in_v1_blocks(scene: Scene) -> None:
    scene.provider.script(Reply("I look.", tool_calls=[CALL]))
    message = whole(scene.chat(output_version="v1").bind_tools([weather]).stream("Weather?"))
    found = [block["type"] for block in message.content_blocks]
    need("text" in found, "the text has no block")
    need("tool_call" in found, "the call has no block")
    need(found == ["text", "tool_call"], f"blocks are {', '.join(found)}")


def structured_output(scene: Scene) -> str | None:
    """A model that answers in prose unless it is given a tool or a schema."""
    value = {"title": "Playtime", "year": 1967}

    def reply(request: Any) -> Reply:
        tools = request.json.get("tools")
        return Reply(tool_calls=[ToolCall(tools[-1]["name"], value)]) if tools else Reply("It is Playtime, of 1967.")

    def asked(**options: Any) -> None:
        got = scene.chat("anthropic").with_structured_output(Film, **options).invoke("A film?")
        need(got == Film(**value), "another value")

    scene.provider.answer_with(reply)
    by_tool = 'only with `method="function_calling"`'
    return first_that_works((None, asked), (by_tool, lambda: asked(method="function_calling")))


def thinking(scene: Scene) -> None:
    for stream in (False, True):
        scene.provider.script(Reply("Blue.", thinking=THOUGHT))
        message = _asked(scene.chat("anthropic", thinking=THINKING), "Why?", stream=stream)
        scene.accepted()
        need(holds(message, THOUGHT), "dropped")


def _sent_back(scene: Scene, block: dict[str, str], secret: str, reply: Reply) -> None:
    """What an agent does: the answer with its calls goes back to the provider, together with their results."""
    for stream in (False, True):
        scene.provider.script(reply)
        model = scene.chat("anthropic", thinking=THINKING).bind_tools([weather])
        call = _asked(model, "Weather?", stream=stream)
        scene.accepted()
        need(holds(call, secret), "dropped")
        model.invoke([HumanMessage("Weather?"), call, ToolMessage("sunny", tool_call_id=call.tool_calls[0]["id"])])
        need(block in objects(scene.accepted()), "does not go back")


def signature(scene: Scene) -> None:
    block = {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}
    _sent_back(scene, block, SIGNATURE, Reply("I look.", thinking=THOUGHT, signature=SIGNATURE, tool_calls=[CALL]))


def redacted_thinking(scene: Scene) -> None:
    block = {"type": "redacted_thinking", "data": REDACTED}
    _sent_back(scene, block, REDACTED, Reply("I look.", redacted_thinking=REDACTED, tool_calls=[CALL]))


def reasoning_content(scene: Scene) -> str | None:
    arrived = {}
    for stream in (False, True):
        scene.provider.script(Reply("Blue.", thinking=THOUGHT))
        message = _asked(scene.chat("deepseek"), "Why?", stream=stream)
        scene.accepted()
        need(len(scene.provider.requests) == 1 + stream, "asks twice")
        arrived["streamed" if stream else "invoked"] = holds(message, THOUGHT)
    need(any(arrived.values()), "dropped")
    return None if all(arrived.values()) else f"only {next(way for way, there in arrived.items() if there)}"


def stream_usage(scene: Scene) -> str | None:
    def asked(**options: Any) -> None:
        scene.provider.script(Reply("Blue.", usage=Usage(input_tokens=12, output_tokens=4)))
        usage = whole(scene.chat(**options).stream("Why?")).usage_metadata
        need(usage, "none")
        need((usage["input_tokens"], usage["output_tokens"]) == (12, 4), f"says {json.dumps(usage)}")

    return first_that_works((None, asked), ("only with `stream_usage=True`", lambda: asked(stream_usage=True)))


_CACHED = Usage(input_tokens=10, cache_read=1000, cache_write=200, output_tokens=20)


def _cache_counts(usage: Any) -> None:
    """On LangChain's terms: `input_tokens` is the whole prompt, and the details are parts of it."""
    need(usage, "no counts")
    details = usage.get("input_token_details", {})
    found = {"read": details.get("cache_read"), "written": details.get("cache_creation")}
    need(any(found.values()) or usage["input_tokens"] != 10, "the cached tokens are missing")
    need(usage["input_tokens"] == 1210, f"`input_tokens` is {usage['input_tokens']} of 1210")
    need(found == {"read": 1000, "written": 200}, f"the counts are {found}")


def cache_counts(scene: Scene) -> None:
    for stream in (False, True):
        scene.provider.script(Reply("Blue.", usage=_CACHED))
        model = scene.chat("anthropic", **({"stream_usage": True} if stream else {}))
        _cache_counts(_asked(model, "Why?", stream=stream).usage_metadata)
