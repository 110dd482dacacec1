"""Features of requests: what the provider receives of what the user gave."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool

from benchmarks.features.scene import AWS, Scene, first_that_works, need, objects
from langchain_pollinations_portkey.testing import StandInProvider

MARK = {"type": "ephemeral"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
IMAGE = {"type": "image", "base64": PNG, "mime_type": "image/png"}


@tool
def look(city: str) -> str:
    """Look at a city."""
    return city


@tool(extras={"cache_control": MARK})
def marked(city: str) -> str:
    """Look at a city."""
    return city


def _after_a_call(content: list[Any]) -> list[BaseMessage]:
    call = tool_call(id="toolu_1", name="look", args={"city": "Paris"})
    return [HumanMessage("Look."), AIMessage("", tool_calls=[call]), ToolMessage(content, tool_call_id="toolu_1")]


def _marked(scene: Scene, **properties: Any) -> bool:
    """Whether an object with these properties arrived marked."""
    return any(
        "cache_control" in one and all(one.get(name) == value for name, value in properties.items())
        for one in objects(scene.accepted())
    )


def cache_control_on_system_text(scene: Scene) -> None:
    part = {"type": "text", "text": "S", "cache_control": MARK}
    scene.chat("anthropic").invoke([SystemMessage([part]), HumanMessage("q")])
    need(_marked(scene, text="S"), "dropped")


def cache_control_on_an_image(scene: Scene) -> None:
    part = {**IMAGE, "cache_control": MARK}
    scene.chat("anthropic").invoke([HumanMessage([part, {"type": "text", "text": "q"}])])
    need(_marked(scene, type="image"), "dropped")


def cache_control_on_a_tool_result(scene: Scene) -> None:
    part = {"type": "text", "text": "seen", "cache_control": MARK}
    scene.chat("anthropic").bind_tools([look]).invoke(_after_a_call([part]))
    need(_marked(scene, text="seen") or _marked(scene, type="tool_result"), "dropped")


def cache_control_on_a_tool(scene: Scene) -> str | None:
    def given(one: Any) -> None:
        scene.chat("anthropic").bind_tools([one]).invoke("q")
        need(_marked(scene, name="marked"), "dropped")

    written = {**convert_to_openai_tool(marked), "cache_control": MARK}
    return first_that_works((None, lambda: given(marked)), ("only on a dict", lambda: given(written)))


def cache_control_per_call(scene: Scene) -> str | None:
    def given(**options: Any) -> None:
        scene.chat("anthropic").invoke([SystemMessage("S"), HumanMessage("q")], **options)
        need(_marked(scene), "dropped")

    extra = {"cache_control": MARK}
    return first_that_works((None, lambda: given(**extra)), ("through `extra_body`", lambda: given(extra_body=extra)))


def pdf(scene: Scene) -> None:
    file = {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "report.pdf"}
    scene.chat("anthropic").invoke([HumanMessage([{"type": "text", "text": "Sum it up."}, file])])
    documents = [one for one in objects(scene.accepted()) if one.get("type") == "document"]
    need([one["source"]["data"] for one in documents] == [PDF], "dropped")


def image_in_a_tool_result(scene: Scene) -> None:
    scene.chat("anthropic").bind_tools([look]).invoke(_after_a_call([{"type": "text", "text": "see"}, IMAGE]))
    results = [one for one in objects(scene.accepted()) if one.get("type") == "tool_result"]
    images = [one for one in objects(results) if one.get("type") == "image"]
    need([one["source"]["data"] for one in images] == [PNG], "dropped")


def max_tokens_for_claude(scene: Scene) -> None:
    scene.chat("anthropic", max_tokens=None).invoke("q")
    need(scene.accepted().get("max_tokens"), "missing")


def dropped_parameter(scene: Scene) -> None:
    scene.chat("anthropic", seed=7).invoke("q")
    if "seed" not in scene.accepted():
        need(any("seed" in str(one.message) for one in scene.told), "nothing is said")


def bedrock_with_aws_keys(scene: Scene) -> None:
    accepted = {AWS["aws_access_key_id"]: AWS["aws_secret_access_key"]}
    with StandInProvider(aws_credentials=accepted) as strict:
        answer = scene.chat("bedrock", host=strict.url).invoke("q")
        need(strict.last.refused is None, "the signature is refused")
        need(answer.text, "no answer")
