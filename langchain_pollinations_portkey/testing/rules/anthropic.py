"""What Anthropic's Messages API refuses: parameters, turns and thinking.

Sources: docs.anthropic.com, API reference "Messages" (shapes and ranges) and the guides "Extended thinking" and
"Tool use"; quoted messages are the API's own, as users report them in public issue threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules import anthropic_cache, anthropic_content, anthropic_tools
from langchain_pollinations_portkey.testing.rules.refusal import (
    Fields,
    Refusal,
    Rule,
    first_refusal,
    is_number,
    is_whole,
    objects,
    unknown_keys,
)

_PARAMETERS = frozenset(
    {
        "cache_control",
        "container",
        "context_management",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
"""API reference "Messages", beta parameters included."""

_VERTEX_PARAMETERS = (_PARAMETERS - {"model"}) | {"anthropic_version", "anthropic_beta"}
"""On Vertex AI the model stands in the path ("Claude on Vertex AI": "model is not passed in the request body")."""

_MIN_BUDGET = 1024
_MIN_TOP_P_WITH_THINKING = 0.95


def check_anthropic(fields: Fields, *, vertex: bool = False, interleaved: bool = False) -> Refusal | None:
    """Returns Anthropic's refusal of a request body, None if it is fine.

    Args:
        fields: the body.
        vertex: the body goes to Vertex AI.
        interleaved: the request has the beta header for interleaved thinking, under which the thinking budget
            may exceed `max_tokens`.
    """
    parameters = first_refusal([_vertex_parameters if vertex else _parameters], fields)
    if parameters is not None:
        return parameters
    rules = [rule for rule in RULES if not (interleaved and rule is budget_below_max_tokens)]
    return first_refusal(rules, fields)


def _parameters(fields: Fields) -> Iterator[Refusal]:
    """Refused: "x: Extra inputs are not permitted"."""
    for key in unknown_keys(fields, _PARAMETERS):
        yield Refusal(f"{key}: Extra inputs are not permitted")
    if not isinstance(fields.get("model"), str):
        yield Refusal("model: Field required")


def _vertex_parameters(fields: Fields) -> Iterator[Refusal]:
    """The same for Vertex AI, which wants `anthropic_version` in the body."""
    for key in unknown_keys(fields, _VERTEX_PARAMETERS):
        yield Refusal(f"{key}: Extra inputs are not permitted")
    if "anthropic_version" not in fields:
        yield Refusal("anthropic_version: Field required")


def required(fields: Fields) -> Iterator[Refusal]:
    """`messages` and `max_tokens` have to be there; max_tokens is at least 1."""
    if not isinstance(fields.get("messages"), list):
        yield Refusal("messages: Field required" if "messages" not in fields else _NOT_A_LIST.format("messages"))
    elif not fields["messages"]:
        yield Refusal("messages: at least one message is required")
    limit = fields.get("max_tokens")
    if limit is None:
        yield Refusal("max_tokens: Field required")
    elif not is_whole(limit):
        yield Refusal("max_tokens: Input should be a valid integer")
    elif limit < 1:
        yield Refusal("max_tokens: Input should be greater than or equal to 1")


_NOT_A_LIST = "{}: Input should be a valid list"


def ranges(fields: Fields) -> Iterator[Refusal]:
    """`temperature` and `top_p` lie between 0 and 1 ("temperature: range: 0..1"), `top_k` is not negative."""
    for name in ("temperature", "top_p"):
        value = fields.get(name)
        if value is not None and not (is_number(value) and 0 <= value <= 1):
            yield Refusal(f"{name}: range: 0..1")
    top_k = fields.get("top_k")
    if top_k is not None and not (is_whole(top_k) and top_k >= 0):
        yield Refusal("top_k: Input should be greater than or equal to 0")


def stop_sequences(fields: Fields) -> Iterator[Refusal]:
    """A list of texts, none of them blank ("each stop sequence must contain non-whitespace")."""
    sequences = fields.get("stop_sequences")
    if sequences is None:
        return
    if not isinstance(sequences, list):
        yield Refusal(_NOT_A_LIST.format("stop_sequences"))
        return
    for index, sequence in enumerate(sequences):
        if not isinstance(sequence, str):
            yield Refusal(f"stop_sequences.{index}: Input should be a valid string")
        elif not sequence.strip():
            yield Refusal("stop_sequences: each stop sequence must contain non-whitespace")


def metadata(fields: Fields) -> Iterator[Refusal]:
    """`metadata` holds a `user_id` and nothing else."""
    value = fields.get("metadata")
    if value is None:
        return
    if not isinstance(value, dict):
        yield Refusal("metadata: Input should be an object")
        return
    for key in unknown_keys(value, frozenset({"user_id"})):
        yield Refusal(f"metadata.{key}: Extra inputs are not permitted")


def system(fields: Fields) -> Iterator[Refusal]:
    """A text or a list of text blocks ("system: text content blocks must be non-empty")."""
    value = fields.get("system")
    if value is None or isinstance(value, str):
        return
    if not isinstance(value, list):
        yield Refusal("system: Input should be a valid list")
        return
    for index, block in enumerate(value):
        if not isinstance(block, dict) or block.get("type") != "text":
            yield Refusal(f"system.{index}.type: Input should be 'text'")
            return
        yield from anthropic_content.block_shape(block, f"system.{index}")
        if not block["text"]:
            yield Refusal("system: text content blocks must be non-empty")


def roles(fields: Fields) -> Iterator[Refusal]:
    """Roles are user and assistant, the first one is user. Equal roles in a row are merged by the API."""
    for index, message in enumerate(fields["messages"]):
        if not isinstance(message, dict):
            yield Refusal(f"messages.{index}: Input should be an object")
            return
        role = message.get("role")
        if role == "system" and not _adds_tools(message):
            yield Refusal(
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
                'not "system" as an input message role.'
            )
        elif role not in {"user", "assistant", "system"}:
            yield Refusal(f"messages.{index}.role: Input should be 'user' or 'assistant'")
        for key in unknown_keys(message, frozenset({"role", "content"})):
            yield Refusal(f"messages.{index}.{key}: Extra inputs are not permitted")
    if fields["messages"][0]["role"] != "user":
        yield Refusal('messages: first message must use the "user" role')


def _adds_tools(message: Fields) -> bool:
    """Whether a message only makes tools available, the one thing the role system is for in beta versions."""
    blocks = list(objects(message.get("content")))
    return bool(blocks) and all(block.get("type") == "tool_addition" for block in blocks)


def thinking_shape(fields: Fields) -> Iterator[Refusal]:
    """`thinking` is enabled with a budget of at least 1024 tokens, adaptive, or disabled."""
    thinking = fields.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in {"enabled", "disabled", "adaptive"}:
        yield Refusal(
            f"thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
            "'adaptive', 'disabled', 'enabled'"
        )
        return
    if kind != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if budget is None:
        yield Refusal("thinking.enabled.budget_tokens: Field required")
    elif not is_whole(budget):
        yield Refusal("thinking.enabled.budget_tokens: Input should be a valid integer")
    elif budget < _MIN_BUDGET:
        yield Refusal("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")


def budget_below_max_tokens(fields: Fields) -> Iterator[Refusal]:
    """Refused: "`max_tokens` must be greater than `thinking.budget_tokens`"."""
    thinking = fields.get("thinking") or {}
    if thinking.get("type") == "enabled" and thinking["budget_tokens"] >= fields["max_tokens"]:
        yield Refusal("`max_tokens` must be greater than `thinking.budget_tokens`.")


def thinking_and_sampling(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Extended thinking": not with another temperature than 1, not with top_k, top_p only from 0.95 to 1."""
    if not thinks(fields):
        return
    temperature, top_p = fields.get("temperature"), fields.get("top_p")
    if temperature is not None and temperature != 1:
        yield Refusal("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
    if fields.get("top_k") is not None:
        yield Refusal("`top_k` must be unset when thinking is enabled or in adaptive mode.")
    if top_p is not None and top_p < _MIN_TOP_P_WITH_THINKING:
        yield Refusal(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled or in adaptive mode."
        )


def thinking_and_forced_tool(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Thinking may not be enabled when tool_choice forces tool use."."""
    choice = fields.get("tool_choice") or {}
    if thinks(fields) and choice.get("type") in {"any", "tool"}:
        yield Refusal("Thinking may not be enabled when tool_choice forces tool use.")


def thinking_before_tool_use(fields: Fields) -> Iterator[Refusal]:
    """With thinking enabled, an assistant turn whose tools are being answered begins with its thinking.

    Source: "Extended thinking with tool use". In adaptive mode the API does not ask for it.
    """
    if (fields.get("thinking") or {}).get("type") != "enabled":
        return
    assistant_turns = [turn for turn in anthropic_tools.turns(fields) if turn.role == "assistant"]
    if not assistant_turns or not any(block["type"] == "tool_use" for _, block in assistant_turns[-1].blocks):
        return
    where, first = assistant_turns[-1].blocks[0]
    if first["type"] not in {"thinking", "redacted_thinking"}:
        yield Refusal(
            f"{where}.type: Expected `thinking` or `redacted_thinking`, but found `{first['type']}`. When "
            "`thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the "
            "lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from "
            "previous turns. To avoid this requirement, disable `thinking`."
        )


def thinks(fields: Fields) -> bool:
    """Whether the request asks for thinking."""
    thinking: Any = fields.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in {"enabled", "adaptive"}


THINKING_RULES: tuple[Rule, ...] = (
    thinking_shape,
    budget_below_max_tokens,
    thinking_and_sampling,
    thinking_and_forced_tool,
)
"""The rules about thinking that also hold for Claude on Bedrock, in Anthropic's terms."""

RULES: tuple[Rule, ...] = (
    required,
    ranges,
    stop_sequences,
    metadata,
    system,
    roles,
    anthropic_content.contents,
    anthropic_content.final_assistant,
    anthropic_tools.tool_definitions,
    anthropic_tools.tool_names_unique,
    anthropic_tools.tool_choice,
    anthropic_tools.tool_use_answered,
    anthropic_cache.at_most_four,
    anthropic_cache.long_before_short,
    *THINKING_RULES,
    thinking_before_tool_use,
)
