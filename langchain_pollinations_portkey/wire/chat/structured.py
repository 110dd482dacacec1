"""Answers of a given form: how each method asks for one, and how the answer is read.

Three methods. `function_calling` has the model call a tool whose arguments are the answer, `json_schema` asks for
a text that follows a schema, `json_mode` for any JSON text (`json_mode` says who tells the model the form then).
The schema may be a pydantic class (of version 1 too), a `TypedDict`, JSON Schema with a title, or a tool in
OpenAI's or Anthropic's form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers.transform import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.json import parse_json_markdown, parse_partial_json
from langchain_core.utils.pydantic import is_basemodel_subclass

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.errors import PortkeyConfigurationError, PortkeyRefusalError
from langchain_pollinations_portkey.wire.chat.json_mode import json_format
from langchain_pollinations_portkey.wire.chat.schemas import object_schema
from langchain_pollinations_portkey.wire.chat.tools import tools_to_wire

if TYPE_CHECKING:
    from langchain_pollinations_portkey.wire.chat.tools import ToolLike

Method = Literal["function_calling", "json_schema", "json_mode"]
Schema = Mapping[str, Any] | type

METHODS = ("function_calling", "json_schema", "json_mode")

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class StructuredOutput:
    """How to ask for an answer of a form, and how to read it.

    Attributes:
        tools: Tools to bind.
        options: Other options to bind.
        parser: What reads the answer.
    """

    tools: tuple[ToolLike, ...]
    options: dict[str, Any]
    parser: Runnable[Any, Any]


def plan_structured_output(
    schema: Schema,
    provider: Provider,
    *,
    method: str | None = None,
    strict: bool | None = None,
    tools: Sequence[ToolLike] = (),
) -> StructuredOutput:
    """Work out how to get an answer of the form `schema` from a provider.

    Args:
        schema: The form.
        provider: Who will be asked.
        method: How; `None` takes the provider's default, which is one that arrives there.
        strict: Ask the provider to follow the schema to the letter; not with `json_mode`.
        tools: Further tools that the model may call instead of answering; what is parsed is then `None`.

    Raises:
        PortkeyConfigurationError: The method is unknown, or cannot work with this provider.
    """
    quirks = provider.quirks
    how = method or quirks.structured_output
    if how == "none":
        raise PortkeyConfigurationError(
            f"The gateway hands neither tools nor response_format on to {provider.title}, so no form of answer can be "
            "asked for there. Ask for JSON in the prompt and read it with langchain_core's JsonOutputParser."
        )
    if how not in METHODS:
        raise PortkeyConfigurationError(f"method={how!r} is unknown; use one of {', '.join(METHODS)}.")
    if how == "json_mode" and strict is not None:
        raise PortkeyConfigurationError("strict goes with a schema, and method='json_mode' sends none.")
    if how == "function_calling" and "tools" in quirks.drops:
        raise PortkeyConfigurationError(
            f"The gateway does not hand tools on to {provider.title}; use method={quirks.structured_output!r}."
        )
    answer = _answer_tool(schema, strict=strict)
    name = answer["function"]["name"]
    model = schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
    # LangChain shows it in traces; what it cannot convert it is given as a tool.
    shown = answer if isinstance(schema, Mapping) and schema.keys() & {"schema", "json_schema"} else schema
    options: dict[str, Any] = {
        "ls_structured_output_format": {"kwargs": {"method": how, "strict": strict}, "schema": shown}
    }
    if how == "function_calling":
        options["tool_choice"] = "any" if tools else name
        if not tools and "parallel_tool_calls" not in quirks.drops:
            options["parallel_tool_calls"] = False
        return StructuredOutput((answer, *tools), options, ToolAnswerParser(tool=name, model=model))
    if how == "json_schema" or "response_format" in quirks.drops:  # what stands in for it there needs the schema
        options["response_format"] = response_format(answer)
    else:
        options["response_format"] = json_format(answer["function"].get("parameters") or {}, chosen=method is not None)
    return StructuredOutput(tuple(tools), options, JSONAnswerParser(model=model))


def _answer_tool(schema: Schema, *, strict: bool | None) -> dict[str, Any]:
    """The form as a tool; its name holds only what every provider takes in one."""
    given: Any = schema
    if isinstance(schema, Mapping) and isinstance(schema.get("json_schema"), Mapping):
        given = schema["json_schema"]
    if isinstance(given, Mapping) and "schema" in given and "name" in given:
        given = {"name": given["name"], "input_schema": given["schema"]}
    tool = tools_to_wire([given], strict=strict)[0]
    function = tool.get("function")
    if not isinstance(function, Mapping):
        raise PortkeyConfigurationError(f"{schema!r} describes no form of answer.")
    name = _NOT_IN_NAMES.sub("_", str(function["name"]))[:64] or "answer"
    return {"type": "function", "function": {**function, "name": name}}


def response_format(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The `response_format` of an answer that has the form of a tool's arguments."""
    function = tool["function"]
    described = {"name": function["name"], "schema": object_schema(function.get("parameters") or {})}
    described |= {key: function[key] for key in ("description", "strict") if function.get(key) is not None}
    return {"type": "json_schema", "json_schema": described}


def with_raw(model: Runnable[Any, AIMessage], parser: Runnable[Any, Any]) -> Runnable[Any, dict[str, Any]]:
    """Answer with `{"raw": the message, "parsed": the value or None, "parsing_error": the error or None}`."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


class _AnswerParser(BaseCumulativeTransformOutputParser[Any]):
    """Reads a message that has to hold an answer of a form; in a stream, what there is of it so far."""

    model: Any = None
    """The pydantic class to make, `None` for a dict."""

    def parse(self, text: str) -> Any:
        """Read an answer that is given as text."""
        return self._checked(parse_json_markdown(text))

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Read the answer.

        Raises:
            PortkeyRefusalError: The model refused to answer, or a filter took the answer.
            OutputParserException: There is no answer, or it is not of the form.
        """
        generation = result[0]
        if not isinstance(generation, ChatGeneration):
            raise OutputParserException("Only the answer of a chat model can be read.")
        message = generation.message
        complete = not partial or _has_ended(message)
        if complete:
            raise_if_refused(message)
        value = self._value(message, complete=complete)
        if value is None or (not complete and self.model is not None):
            return None
        return self._checked(value)

    def _value(self, message: BaseMessage, *, complete: bool) -> Any:
        raise NotImplementedError

    def _checked(self, value: Any) -> Any:
        if self.model is None:
            return value
        try:
            make = getattr(self.model, "model_validate", None) or self.model.parse_obj
            return make(value)
        except ValueError as error:  # pydantic's of both versions are
            text = json.dumps(value, ensure_ascii=False)
            raise OutputParserException(
                f"The answer is not of the form {self.model.__name__}: {error}", llm_output=text
            ) from error


class ToolAnswerParser(_AnswerParser):
    """Reads an answer out of the arguments of a tool call."""

    tool: str

    def _value(self, message: BaseMessage, *, complete: bool) -> Any:
        calls = message.tool_calls if isinstance(message, AIMessage) else []
        own = next((call["args"] for call in calls if call["name"] == self.tool), None)
        if own is not None or not complete:
            return own
        broken = message.invalid_tool_calls if isinstance(message, AIMessage) else []
        for call in broken:
            if call.get("name") == self.tool:
                raise OutputParserException(
                    f"The arguments of {self.tool!r} are no JSON object: {call.get('error')}",
                    llm_output=call.get("args") or "",
                )
        if calls:
            return None  # it called another tool first
        raise OutputParserException(
            f"The model did not call {self.tool!r}; it said: {message.text!r}", llm_output=message.text
        )


class JSONAnswerParser(_AnswerParser):
    """Reads an answer out of the text of a message."""

    def _value(self, message: BaseMessage, *, complete: bool) -> Any:
        text = message.text
        if not text.strip() and isinstance(message, AIMessage) and message.tool_calls:
            return None  # it called a tool first
        try:
            if complete:
                return parse_json_markdown(text)
            return parse_json_markdown(text, parser=parse_partial_json) if text.strip() else None
        except ValueError as error:
            if not complete:
                return None
            raise OutputParserException(f"The answer is no JSON: {text!r}", llm_output=text) from error


def _has_ended(message: BaseMessage) -> bool:
    """Whether a message that was put together from chunks is whole."""
    return bool(message.response_metadata.get("finish_reason")) or getattr(message, "chunk_position", None) == "last"


def raise_if_refused(message: BaseMessage) -> None:
    """See whether a message is a refusal instead of an answer.

    Raises:
        PortkeyRefusalError: It is.
    """
    refusal = message.additional_kwargs.get("refusal")
    filtered = message.response_metadata.get("finish_reason") == "content_filter"
    if not refusal and not filtered:
        return
    said = refusal if isinstance(refusal, str) else message.text
    reason = "The model refused to answer" if refusal else "The answer was held back by a content filter"
    error = PortkeyRefusalError(f"{reason}: {said}" if said else f"{reason}.", llm_output=said or None)
    error.provider = message.response_metadata.get("provider")
    error.partial = message if isinstance(message, AIMessage) else None
    error.raw_message = message
    raise error
