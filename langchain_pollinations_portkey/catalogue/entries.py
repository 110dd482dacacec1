"""The rows of the catalogue as the rest of the package sees them: frozen, typed, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Auth = Literal["bearer", "aws", "azure", "vertex", "none"]
"""How a provider is paid: a bearer key, AWS credentials, an Azure key or token, a Google token, nothing."""

Dialect = Literal["openai", "anthropic", "bedrock", "google", "cohere"]
"""Which translation the gateway applies to messages: `openai` passes them through as they are."""

EMBEDDING_OPTIONS = frozenset(
    (
        "dimensions",
        "encoding_format",
        "user",
        "input_type",
        "task_type",
        "truncate",
        "truncation",
        "normalize",
        "parameters",
    )
)
"""Parameters of a request for embeddings that the gateway hands on to at least one provider."""

_STRICT = {"extra": "forbid", "strict": True}
"""How pydantic reads a row from a file: no unknown fields, no conversions."""


@dataclass(frozen=True, slots=True)
class ProviderOption:
    """One setting of a provider besides its key (`aws_region`, `resource_name`).

    Attributes:
        key: Its name in `provider_options` and as a key of a target in `x-portkey-config`.
        header: Its name as a request header.
        variables: Environment variables that may hold it, first wins.
        secret: Whether its value must never be shown.
        required: Whether a call cannot be made without it.
        default: Its value when nothing else gives one.
        names_host: Whether it only makes up the provider's address: with a `custom_host` it is not needed.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    key: str
    header: str
    variables: tuple[str, ...] = ()
    secret: bool = False
    required: bool = False
    default: str | None = None
    names_host: bool = False


@dataclass(frozen=True, slots=True)
class Quirks:
    """What is particular about a provider behind this gateway. Defaults describe OpenAI.

    Requests
        requires_max_tokens: The provider refuses, or the gateway cuts, a request without `max_tokens`.
        default_max_tokens: What to send then, when neither the user nor a catalogue row says how many.
        max_tokens_name: The parameter by which the answer is limited.
        drops: Parameters that the gateway removes in silence for this provider.
        changes: Parameters that the gateway turns into something else: name -> one sentence for the user.
        temperature_max: The gateway lowers any higher temperature to this.
        tool_choices: Forms of `tool_choice` that arrive.
        tool_strict: Whether `strict` on a tool arrives.
        forced_with_thinking: Whether a tool may be forced while the model thinks.
        never_forced: Globs of model ids that refuse any forced tool.
        needs_tools_for_history: A conversation with tool calls in it is refused unless tools are defined.
        single_system_message: Only the first message's first text part survives as system prompt.
        keeps_text_beside_tool_calls: Whether an assistant turn keeps its text when it calls tools.
        tool_results: Whether results of tools can be sent back at all.
        user_after_tool: Whether a user may speak right after the result of a tool.
        cache_control: Whether cache breakpoints have a meaning there.
        cache_lost_on: Places where a breakpoint does not arrive (see `wire.chat.cache_control`).
        cache_ttl_lost_on: Places where the `ttl` of a breakpoint does not arrive.
        image_urls: Whether an image may be given by URL (else its bytes are needed).
        pdf: The form of a PDF part that arrives (`file` is OpenAI's, `portkey_file` the gateway's own).
        audio: Whether audio input arrives.
        video: Whether video input arrives.
        tool_result_images: Whether images and PDFs may stand in the result of a tool; else they follow it in a
            message of the user.
        message_names: Whether messages may carry the speaker's name.
        tool_call_ids: Regular expression that the ids of tool calls have to match as a whole.
        thinking_replay: Whether signed thinking can be sent back.
        redacted_thinking_replay: Whether redacted thinking survives the way back.
        server_tool_replay: Whether the calls and results of tools that the provider runs can be sent back.
        replayed_keys: Keys of `additional_kwargs` that go back on the assistant's message as they came.
        unsigned_call_signature: The thought signature to send with a tool call that has none, where the
            provider refuses it without.
        structured_output: The default method of `with_structured_output`; `none` where no method arrives.

    Answers
        losses: What the gateway itself loses of this provider's answers: kind -> one sentence for the user.
            The kind begins with where it is lost: `json_`, `stream_` or `both_`.
        input_tokens_exclude_cache: `prompt_tokens` does not count cached tokens.
        output_tokens_exclude_reasoning: `completion_tokens` does not count reasoning.
        empty_finish_reason: Whether `""` is a finish reason.
        server_tools: Names of tools that the provider runs itself and whose calls arrive like the client's.
        choice_index_counts_blocks: In streams, `choices[].index` numbers content blocks, not choices.
        read_through_stream: Whether a plain answer is fetched as a stream, because the JSON loses parts.
        read_streams_as_json: When a stream is fetched as JSON, because the stream loses parts.

    Gateway
        chat: Whether the gateway has chat for it.
        streams_break_on_plain_build: Streams fail on a gateway installed without pinned dependencies.

    Embeddings
        embeddings: Whether a request takes a list of inputs, or a single one; `none` where there are none.
        embeddings_break_on_plain_build: Embeddings fail on a gateway installed without pinned dependencies.
        embedding_options: Parameters that the gateway hands on.
        embedding_base64: Whether vectors are asked for as base64 by default, which is a quarter of the size.
        embedding_query: Parameters that say that the input is a query.
        embedding_document: Parameters that say that the inputs are documents.
        embedding_inputs: Most inputs of one request; where no source says how many, as few as Cohere takes.
        embedding_tokens: Most tokens of all inputs of one request, `None` if no limit is known.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    requires_max_tokens: bool = False
    default_max_tokens: int | None = None
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    drops: frozenset[str] = frozenset()
    changes: Mapping[str, str] = field(default_factory=dict)
    temperature_max: float | None = None
    tool_choices: frozenset[str] = frozenset({"auto", "none", "required", "function"})
    tool_strict: bool = True
    forced_with_thinking: bool = True
    never_forced: frozenset[str] = frozenset()
    needs_tools_for_history: bool = False
    single_system_message: bool = False
    keeps_text_beside_tool_calls: bool = True
    tool_results: bool = True
    user_after_tool: bool = True
    cache_control: bool = False
    cache_lost_on: frozenset[str] = frozenset()
    cache_ttl_lost_on: frozenset[str] = frozenset()
    image_urls: bool = True
    pdf: Literal["file", "portkey_file", "image_url", "none"] = "file"
    audio: bool = False
    video: bool = False
    tool_result_images: bool = False
    message_names: bool = False
    tool_call_ids: str = r"\S{1,64}"
    thinking_replay: bool = False
    redacted_thinking_replay: bool = False
    server_tool_replay: bool = False
    replayed_keys: frozenset[str] = frozenset()
    unsigned_call_signature: str | None = None
    structured_output: Literal["json_schema", "function_calling", "json_mode", "none"] = "json_schema"
    losses: Mapping[str, str] = field(default_factory=dict)
    input_tokens_exclude_cache: bool = False
    output_tokens_exclude_reasoning: bool = False
    empty_finish_reason: bool = False
    server_tools: frozenset[str] = frozenset()
    choice_index_counts_blocks: bool = False
    read_through_stream: bool = False
    read_streams_as_json: Literal["never", "with_tools", "with_reasoning"] = "never"
    chat: bool = True
    streams_break_on_plain_build: bool = True
    embeddings: Literal["list", "single", "none"] = "none"
    embeddings_break_on_plain_build: bool = False
    embedding_options: frozenset[str] = frozenset()
    embedding_base64: bool = False
    embedding_query: Mapping[str, str] = field(default_factory=dict)
    embedding_document: Mapping[str, str] = field(default_factory=dict)
    embedding_inputs: int = 96
    embedding_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that the gateway serves.

    Attributes:
        id: Its name at the gateway (`x-portkey-provider`).
        title: Its name for people.
        aliases: Other names that users type.
        dialect: Which translation the gateway applies.
        auth: How it is paid.
        hosts: Host names that are the provider's own; a host under one of them counts too.
        own_host: The URL of a usual installation of a provider that runs where the user says; calls of it need a
            `custom_host`.
        key_variables: Environment variables that hold its key, first wins.
        options: Its settings by key.
        quirks: What is particular about it.
        variants: Other rows for some of its models: glob of the model id -> provider row
            (Claude on Vertex AI is spoken to differently than Gemini there).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    id: str
    title: str
    aliases: tuple[str, ...] = ()
    dialect: Dialect = "openai"
    auth: Auth = "bearer"
    hosts: tuple[str, ...] = ()
    own_host: str | None = None
    key_variables: tuple[str, ...] = ()
    options: Mapping[str, ProviderOption] = field(default_factory=dict)
    quirks: Quirks = field(default_factory=Quirks)
    variants: tuple[tuple[str, Provider], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A catalogue name and the model it stands for.

    Attributes:
        name: The short name, e.g. `"portkey-claude"`.
        provider: The provider's id, e.g. `"anthropic"`.
        model: The model id as the provider knows it.
        description: One line for a table.
        max_output_tokens: The most tokens the model can answer with; sent as `max_tokens` where a provider
            insists on one and the user gave none.
        max_input_tokens: The context window in tokens.
        retired: The day (ISO date) the provider shut the model down, if it did.
        successor: The catalogue name or `provider/model` to use instead.
        source: Where the facts come from.
        wire: The format spoken with the gateway.
        custom_host: A base URL to use instead of the provider's own.
        options: Provider options for this model.
        capabilities: What the model can do, in the keys of LangChain's `ModelProfile`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    name: str
    provider: str
    model: str
    description: str = ""
    max_output_tokens: int | None = None
    max_input_tokens: int | None = None
    retired: str | None = None
    successor: str | None = None
    source: str = ""
    wire: Literal["chat"] = "chat"
    custom_host: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    capabilities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model name, understood: whom to ask and for what.

    Attributes:
        name: What the user typed.
        model: The id that the provider knows.
        provider: The provider's row; the one of the variant that matches `model`, if any.
        entry: The catalogue row, if the name was one or the provider and model match one.
        integration: The `@slug` of a hosted Portkey integration; its keys live at Portkey.
    """

    name: str
    model: str
    provider: Provider
    entry: ModelEntry | None = None
    integration: str | None = None
