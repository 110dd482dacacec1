"""The features in the order of the table, how each is tried, and the table itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from benchmarks.features import answers, requests, trouble
from benchmarks.features.scene import REFUSED, STRICT_OFF, Chat, NotThereError, Scene, chat_portkey, recipe
from langchain_pollinations_portkey import notices
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider

Try = Callable[[Scene], str | None]

FEATURES: dict[str, Try] = {
    "text": answers.text,
    "text, streamed": answers.streamed_text,
    "tool calls and results, streamed too (Anthropic)": answers.tool_calls,
    "text and tool calls as v1 blocks, streamed": answers.tools_in_v1_blocks,
    "structured output where the gateway drops `response_format` (Anthropic)": answers.structured_output,
    "Claude's thinking, streamed too": answers.thinking,
    "its signature, sent back byte for byte": answers.signature,
    "redacted thinking, sent back": answers.redacted_thinking,
    "`reasoning_content` of DeepSeek, streamed too": answers.reasoning_content,
    "token counts in streams": answers.stream_usage,
    "cached tokens in the counts, streamed too (Anthropic)": answers.cache_counts,
    "`cache_control` on a system text": requests.cache_control_on_system_text,
    "`cache_control` on an image": requests.cache_control_on_an_image,
    "`cache_control` on a tool result": requests.cache_control_on_a_tool_result,
    "`cache_control` on a tool": requests.cache_control_on_a_tool,
    "`cache_control=` per call": requests.cache_control_per_call,
    "a PDF to Claude": requests.pdf,
    "an image in a tool result (Anthropic)": requests.image_in_a_tool_result,
    "`max_tokens`, on which Anthropic insists, when none is given": requests.max_tokens_for_claude,
    "a warning when the gateway drops a parameter": requests.dropped_parameter,
    "Bedrock, signed with AWS keys": requests.bedrock_with_aws_keys,
    "a stream that breaks off raises": trouble.truncated_stream,
    "what had arrived of it, on the exception": trouble.partial_message,
    "an overload within a stream raises (Anthropic)": trouble.overloaded_in_a_stream,
    "an exception within a stream raises (Bedrock)": trouble.bedrock_exception_in_a_stream,
    "LangChain's error classes for 401, 408, 429, 446, 529": trouble.typed_errors,
    "429 repeated after `Retry-After`": trouble.retry_after,
    "one model in several event loops, each call sent once": trouble.several_event_loops,
    "streams on a gateway as `npx` installs it today": trouble.plain_gateway,
    "keys absent from `repr`, `dumps` and traces": trouble.hidden_keys,
}


@dataclass(frozen=True)
class Verdict:
    """What became of a feature, and a few words on it."""

    mark: Literal["yes", "partly", "no"]
    words: str = ""

    def __str__(self) -> str:
        sign = {"yes": "✓", "partly": "partly:", "no": "✗"}[self.mark]
        return f"{sign} {self.words}".strip()


def better(documented: Verdict, lenient: Verdict) -> Verdict:
    """The better one of the recipe's two; if they differ, with the mode that it takes."""
    rank = ("no", "partly", "yes").index
    if rank(lenient.mark) > rank(documented.mark):
        return Verdict(lenient.mark, ", ".join(filter(None, (lenient.words, "strict mode off"))))
    if rank(lenient.mark) < rank(documented.mark):
        return Verdict(documented.mark, ", ".join(filter(None, (documented.words, "strict mode on"))))
    return documented


@dataclass(frozen=True)
class Stage:
    """What all tries share."""

    gateway: LocalGateway
    plain: LocalGateway
    provider: StandInProvider

    def ours(self, feature: Try) -> Verdict:
        return self._tried(feature, chat_portkey)

    def recipe(self, feature: Try) -> Verdict:
        """As documented and with strict mode off; the better one, with what it takes."""
        return better(self._tried(feature, recipe({})), self._tried(feature, recipe(STRICT_OFF)))

    def _tried(self, feature: Try, make: Chat) -> Verdict:
        self.provider.clear()
        notices.forget_all()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                words = feature(Scene(make, self.provider, self.gateway, self.plain, told))
            except NotThereError as error:
                return Verdict("no", str(error))
            except Exception as error:  # noqa: BLE001 - of either side, and it is the verdict
                refused = self.provider.requests and self.provider.last.refused
                return Verdict("no", REFUSED if refused else f"raises `{type(error).__name__}`")
        return Verdict("partly", words) if words else Verdict("yes")


def table(rows: Iterable[tuple[str, Verdict, Verdict]]) -> str:
    """The rows (feature, recipe, ours) in Markdown."""
    lines = ["| | `ChatOpenAI` + headers | `ChatPortkey` |", "|---|---|---|"]
    lines += [f"| {feature} | {recipe} | {ours} |" for feature, recipe, ours in rows]
    return "\n".join(lines)
