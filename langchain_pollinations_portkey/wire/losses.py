"""What the gateway itself loses of an answer, said when it matters.

The losses of each provider are in its row, as `<where>_<what>`: `json_`, `stream_` or `both_` says where, the rest
is looked up in the table below, whose test decides from the request and the answer whether the user would miss
it. A loss without a test cannot be told from an answer that never had the thing; those are only documented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.notices import LossWarning, Notice
from langchain_pollinations_portkey.wire.chat.rescue import asks_for_reasoning


@dataclass(frozen=True, slots=True)
class Answer:
    """What arrived of an answer, as far as a loss could be seen in it.

    Attributes:
        characters: The length of its text.
        tool_calls: Whether there is any.
        reasoning: Whether there is any.
        block_types: The types of its content blocks.
        metadata: Its `response_metadata`.
        usage: Its token counts.
    """

    characters: int
    tool_calls: bool
    reasoning: bool
    block_types: frozenset[str]
    metadata: Mapping[str, Any]
    usage: UsageMetadata | None


def describe(messages: Iterable[AIMessage]) -> Answer:
    """Describe a message, or the chunks that make up one."""
    characters = 0
    calls = reasoning = False
    types: set[str] = set()
    metadata: Mapping[str, Any] = {}
    usage: UsageMetadata | None = None
    for message in messages:
        characters += len(message.content)
        calls = calls or bool(message.tool_calls or message.invalid_tool_calls)
        calls = calls or (isinstance(message, AIMessageChunk) and bool(message.tool_call_chunks))
        kwargs = message.additional_kwargs
        if kwargs:
            reasoning = reasoning or bool(kwargs.get("reasoning_content"))
            types.update(str(block.get("type")) for block in kwargs.get("content_blocks") or ())
        metadata = message.response_metadata  # of chunks, the last one has it
        usage = message.usage_metadata or usage
    return Answer(characters, calls, reasoning, frozenset(types), metadata, usage)


def answer_losses(request: Mapping[str, Any], answer: Answer, provider: Provider, *, streamed: bool) -> list[Notice]:
    """What of an answer the gateway has lost, or is likely to have lost.

    Args:
        request: The body of the request.
        answer: What arrived.
        provider: Who answered.
        streamed: Whether the answer came over the wire as a stream.
    """
    notices: list[Notice] = []
    for kind, sentence in provider.quirks.losses.items():
        where, _, what = kind.partition("_")
        test = _TESTS.get(what)
        if test is not None and where in ("both", "stream" if streamed else "json") and test(request, answer):
            notices.append(Notice(LossWarning, (provider.id, kind), f"{provider.title}: {sentence}"))
    return notices


def reasons_for_break(provider: Provider, *, empty: bool) -> str:
    """What may stand behind a stream of this provider that ended too early.

    Args:
        provider: Who answered.
        empty: Whether nothing at all had come.

    Returns:
        Sentences; empty if nothing is known.
    """
    kinds = ("stream_error", "stream_exception", "stream_finish_without_parts")
    known = provider.quirks.losses
    return " ".join(known[kind] for kind in (*kinds, *(("both_block_reason",) if empty else ())) if kind in known)


def _missing_tool_calls(request: Mapping[str, Any], answer: Answer) -> bool:
    if answer.tool_calls or not request.get("tools"):
        return False
    forced = request.get("tool_choice") not in (None, "auto", "none")
    return forced or answer.metadata.get("finish_reason") == "tool_calls"


def _missing_reasoning(request: Mapping[str, Any], answer: Answer) -> bool:
    if answer.reasoning:
        return False
    # More tokens than characters: the model must have written something that is not here.
    unseen = not answer.tool_calls and _output_tokens(answer) > answer.characters + _SLACK
    return unseen or asks_for_reasoning(request) or _count(answer, "output_token_details", "reasoning") > 0


_SLACK = 20
"""Tokens that a model spends on marks which are no text."""


def _count(answer: Answer, side: str, detail: str) -> int:
    details: Mapping[str, int] = (cast("dict[str, Any]", answer.usage) or {}).get(side) or {}
    return details.get(detail, 0)


def _output_tokens(answer: Answer) -> int:
    return answer.usage["output_tokens"] if answer.usage else 0


def _missing_citations(request: Mapping[str, Any], _: Answer) -> bool:
    """Whether documents were sent that the model was asked to cite, or it was told to search."""
    parts = [part for message in request["messages"] for part in _parts(message)]
    return any(part.get("citations") for part in parts) or _has_search_tool(request)


def _missing_cited_text(request: Mapping[str, Any], answer: Answer) -> bool:
    empty = not (answer.characters or answer.tool_calls or answer.reasoning)
    return (empty and _output_tokens(answer) > 0) or _missing_citations(request, answer)


def _missing_usage(_: Mapping[str, Any], answer: Answer) -> bool:
    return answer.usage is None


def _missing_logprobs(request: Mapping[str, Any], answer: Answer) -> bool:
    return bool(request.get("logprobs")) and not answer.metadata.get("logprobs")


def _missing_end(request: Mapping[str, Any], answer: Answer) -> bool:
    """Whether the answer was probably cut at `max_tokens`, which the finish reason would have told."""
    limit = request.get("max_tokens") or request.get("max_completion_tokens")
    return isinstance(limit, int) and _output_tokens(answer) >= limit


def _written_to_cache(_: Mapping[str, Any], answer: Answer) -> bool:
    return _count(answer, "input_token_details", "cache_creation") > 0


def _server_tools_ran(_: Mapping[str, Any], answer: Answer) -> bool:
    return bool(answer.block_types & {"server_tool_use", "mcp_tool_use"})


def _server_tools_offered(request: Mapping[str, Any], _: Answer) -> bool:
    return any(str(_tool_name(tool)).lower().replace("_", "") in _CODE_TOOLS for tool in request.get("tools") or ())


def _tool_calls_came(_: Mapping[str, Any], answer: Answer) -> bool:
    return answer.tool_calls


def _sources_came(_: Mapping[str, Any], answer: Answer) -> bool:
    return bool(answer.metadata.get("citations"))


def _search_was_asked(request: Mapping[str, Any], _: Answer) -> bool:
    return bool(request.get("web_search_options")) or str(request.get("model", "")).endswith(":online")


_TESTS: Mapping[str, Callable[[Mapping[str, Any], Answer], bool]] = {
    "tool_calls": _missing_tool_calls,
    "calls_after_text": _missing_tool_calls,
    "reasoning": _missing_reasoning,
    "thinking": _missing_reasoning,
    "tool_plan": _tool_calls_came,
    "citations": _missing_citations,
    "cited_text": _missing_cited_text,
    "annotations": _search_was_asked,
    "search_results": _sources_came,
    "server_tools": _server_tools_offered,
    "server_tool_results": _server_tools_ran,
    "usage": _missing_usage,
    "thinking_only_usage": _missing_usage,
    "final_usage": _server_tools_ran,
    "usage_details": _written_to_cache,
    "logprobs": _missing_logprobs,
    "finish_reason": _missing_end,
}

_CODE_TOOLS = frozenset(("codeexecution", "urlcontext", "executablecode"))
_SEARCH_TOOLS = frozenset(("websearch", "googlesearch", "googlesearchretrieval", "webfetch"))


def _has_search_tool(request: Mapping[str, Any]) -> bool:
    return any(str(_tool_name(tool)).lower().replace("_", "") in _SEARCH_TOOLS for tool in request.get("tools") or ())


def _tool_name(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    return function.get("name") if isinstance(function, Mapping) else None


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
