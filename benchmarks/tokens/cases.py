"""Recorded requests of four kinds of providers, as LangChain's messages and tools."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from tests.recorded.facts import Facts, facts_of
from tests.recorded.replay import Case

GATEWAY_NAMES = {"azure-ai-inference": "azure-ai", "google-vertex-ai": "vertex-ai"}


@dataclass
class Question:
    """What was sent.

    Attributes:
        messages: The conversation.
        tools: The client's tools.
        hidden: What the provider reads besides, of which the request does not show the size: tools that it runs
            itself, documents, a form of answer, media that the recording left out.
    """

    messages: list[BaseMessage] = field(default_factory=list)
    tools: list[Any] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    media: bool = False


@dataclass
class Recorded:
    """A case that says how many tokens went in."""

    name: str
    provider: str
    model: str
    question: Question
    facts: Facts


def recorded(root: Path) -> Iterator[Recorded]:
    """The cases below a directory whose request and usage are known."""
    for file in sorted(root.glob("*/*.json")):
        if file.name.endswith(".gateway.json"):
            continue
        case: Case = json.loads(file.read_text(encoding="utf-8"))
        body = case["request"]["body"]
        if case["response"]["status"] != 200 or case.get("endpoint", "chat") != "chat" or not isinstance(body, dict):
            continue
        facts = facts_of(case)
        question = _question(case, body)
        if facts.usage.get("input") and question.messages:
            provider = GATEWAY_NAMES.get(case["provider"], case["provider"])
            yield Recorded(f"{file.parent.name}/{file.stem}", provider, _model(case, body), question, facts)


def _model(case: Case, body: Mapping[str, Any]) -> str:
    """The model, which some providers have in the address."""
    if body.get("model"):
        return str(body["model"])
    path = case["request"]["path"]
    for mark, end in (("/models/", ":"), ("/model/", "/"), ("/deployments/", "/")):
        if mark in path:
            return path.partition(mark)[2].partition(end)[0].replace("%3A", ":")
    return str(case.get("model") or "")


def _question(case: Case, body: Mapping[str, Any]) -> Question:
    path = case["request"]["path"].partition("?")[0]
    if "/converse" in path:
        question = _bedrock(body)
    elif path.endswith((":generateContent", ":streamGenerateContent")):
        question = _gemini(body)
    elif path.endswith(("/messages", ":rawPredict", ":streamRawPredict")):
        question = _anthropic(body)
    else:
        question = _openai(body)
    if case.get("media_elided_in_request"):
        question.hidden.append("media left out")
    return question


_PLAIN_PARTS = ("text", "tool_use", "tool_result", "thinking", "redacted_thinking")


def _note_parts(question: Question, content: Any) -> None:
    for part in content if isinstance(content, list) else ():
        kind = part.get("type", "text") if isinstance(part, Mapping) else "text"
        if kind not in _PLAIN_PARTS:
            question.media = True
            if kind not in ("image", "image_url"):
                question.hidden.append(str(kind))
            elif "http" in json.dumps(part)[:200]:
                question.hidden.append("picture at an address")
        if kind == "tool_result":
            _note_parts(question, part.get("content"))


def _openai(body: Mapping[str, Any]) -> Question:
    question = Question()
    for message in body.get("messages") or ():
        question.messages.append(_openai_message(message))
        _note_parts(question, question.messages[-1].content)
    for tool in [*(body.get("tools") or ()), *(body.get("functions") or ())]:
        if tool.get("type", "function") == "function":
            question.tools.append(tool if "function" in tool else {"type": "function", "function": tool})
        else:
            question.hidden.append(str(tool["type"]))
    for key in ("documents", "plugins", "web_search_options", "citation_options"):
        if body.get(key):
            question.hidden.append(key)
    if (body.get("response_format") or {}).get("type") == "json_schema" or "schema" in (
        body.get("response_format") or {}
    ):
        question.hidden.append("response_format")
    return question


def _openai_message(message: Mapping[str, Any]) -> BaseMessage:
    content = message.get("content") or ""
    if isinstance(content, list):
        content = [_openai_part(part) for part in content]
    match message.get("role"):
        case "system" | "developer":
            return SystemMessage(content)
        case "assistant":
            kept = {key: message[key] for key in ("tool_calls", "function_call") if message.get(key)}
            return AIMessage(content, additional_kwargs=kept)
        case "tool":
            return ToolMessage(content, tool_call_id=message.get("tool_call_id") or "")
        case _:
            return HumanMessage(content, name=message.get("name"))


def _openai_part(part: Any) -> Any:
    if isinstance(part, Mapping) and isinstance(part.get("image_url"), str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    return part


def _anthropic(body: Mapping[str, Any]) -> Question:
    question = Question()
    if body.get("system"):
        question.messages.append(SystemMessage(body["system"]))
    for message in body.get("messages") or ():
        _note_parts(question, message["content"])
        kind = AIMessage if message["role"] == "assistant" else HumanMessage
        question.messages.append(kind(message["content"]))
    for tool in body.get("tools") or ():
        if tool.get("type", "custom") == "custom":
            question.tools.append({key: value for key, value in tool.items() if key != "type"})
        else:
            question.hidden.append(str(tool["type"]))
    for key in ("mcp_servers", "container", "context_management", "output_format", "output_config"):
        if body.get(key):
            question.hidden.append(key)
    return question


def _bedrock(body: Mapping[str, Any]) -> Question:
    question = Question()
    system = [part["text"] for part in body.get("system") or () if "text" in part]
    if system:
        question.messages.append(SystemMessage("\n".join(system)))
    for message in body.get("messages") or ():
        parts = [_bedrock_part(part) for part in message["content"]]
        parts = [part for part in parts if part]
        _note_parts(question, parts)
        kind = AIMessage if message["role"] == "assistant" else HumanMessage
        question.messages.append(kind(parts))
    for tool in (body.get("toolConfig") or {}).get("tools") or ():
        if "toolSpec" in tool:
            spec = tool["toolSpec"]
            function = {"name": spec["name"], "description": spec.get("description") or ""}
            question.tools.append(
                {"type": "function", "function": {**function, "parameters": spec["inputSchema"]["json"]}}
            )
        elif "systemTool" in tool:
            question.hidden.append("systemTool")
    if body.get("guardrailConfig"):
        question.hidden.append("guardrailConfig")
    return question


def _bedrock_part(part: Mapping[str, Any]) -> dict[str, Any] | None:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    if "toolUse" in part:
        use = part["toolUse"]
        return {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}
    if "toolResult" in part:
        result = part["toolResult"]
        content = [_bedrock_result(inner) for inner in result["content"]]
        return {"type": "tool_result", "tool_use_id": result["toolUseId"], "content": content}
    if "image" in part:
        image = part["image"]
        data = (image.get("source") or {}).get("bytes")
        data = base64.b64encode(data).decode() if isinstance(data, bytes) else data
        return {"type": "image", "base64": data, "mime_type": f"image/{image.get('format')}"}
    if "document" in part:
        return {"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}
    return None


def _bedrock_result(part: Mapping[str, Any]) -> dict[str, Any]:
    if "json" in part:
        return {"type": "text", "text": json.dumps(part["json"], ensure_ascii=False)}
    return _bedrock_part(part) or {"type": "text", "text": json.dumps(part, ensure_ascii=False)}


def _gemini(body: Mapping[str, Any]) -> Question:
    question = Question()
    system = (body.get("systemInstruction") or {}).get("parts") or ()
    system = [system] if isinstance(system, Mapping) else system
    if system:
        question.messages.append(SystemMessage("\n".join(part.get("text") or "" for part in system)))
    for number, content in enumerate(body.get("contents") or ()):
        _gemini_content(question, content, number)
    for tool in body.get("tools") or ():
        for declared in tool.get("functionDeclarations") or tool.get("function_declarations") or ():
            parameters = (
                declared.get("parameters")
                or declared.get("parametersJsonSchema")
                or declared.get("parameters_json_schema")
            )
            function = {"name": declared["name"], "description": declared.get("description") or ""}
            question.tools.append({"type": "function", "function": {**function, "parameters": parameters or {}}})
        own = tool.keys() - {"functionDeclarations", "function_declarations"}
        question.hidden += sorted(own)
    config = body.get("generationConfig") or {}
    if any("schema" in key.lower() for key in config):
        question.hidden.append("responseSchema")
    return question


def _gemini_content(question: Question, content: Mapping[str, Any], number: int) -> None:
    parts: list[Any] = []
    results: list[BaseMessage] = []
    for part in content.get("parts") or ():
        if "functionCall" in part:
            call = part["functionCall"]
            parts.append(
                {"type": "tool_use", "id": f"{number}-{len(parts)}", "name": call["name"], "input": call.get("args")}
            )
        elif "functionResponse" in part:
            text = json.dumps(part["functionResponse"].get("response"), ensure_ascii=False)
            results.append(ToolMessage(text, tool_call_id=str(number)))
        elif "text" in part:
            parts.append({"type": "text", "text": part["text"]})
        elif "inlineData" in part:
            inline = part["inlineData"]
            kind = "image" if inline["mimeType"].startswith("image/") else "file"
            parts.append({"type": kind, "base64": inline["data"], "mime_type": inline["mimeType"]})
        else:
            question.hidden += sorted(part)
    _note_parts(question, parts)
    question.messages += results
    if parts:
        question.messages.append((AIMessage if content.get("role") == "model" else HumanMessage)(parts))
