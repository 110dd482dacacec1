"""The tokenizers that models have, by family, with what a provider adds around the text.

What the rates of text come from is said in `token_text`. The rest of a family - what a message and a set of tools
cost beyond their text - is what the providers' own documents say, or what their reported usage leaves when the
text is taken away (`python -m benchmarks.tokens` measures both).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.catalogue.names import family_name
from langchain_pollinations_portkey.wire.chat.token_media import ImageTokens, crops, flat, patches, tiles
from langchain_pollinations_portkey.wire.chat.token_text import TextRates

_CL100K = TextRates(
    word=0.98,
    letter=0.22,
    digits=1.44,
    space=0.15,
    punctuation=0.77,
    more_punctuation=0.2,
    scripts={
        "latin": 0.7, "greek": 1.0, "cyrillic": 0.58, "semitic": 0.96, "indic": 1.1, "han": 1.36, "kana": 1.06,
        "hangul": 1.38, "mark": 0.5, "other": 3.5,
    },
)  # fmt: skip
"""OpenAI's cl100k_base, of GPT-3.5 and GPT-4."""

_O200K = TextRates(
    word=0.87,
    letter=0.26,
    digits=1.48,
    space=0.5,
    punctuation=0.8,
    more_punctuation=0.18,
    scripts={
        "latin": 0.1, "greek": 0.42, "cyrillic": 0.33, "semitic": 0.42, "indic": 0.4, "han": 0.8, "kana": 0.81,
        "hangul": 0.83, "mark": 0.9, "other": 1.8,
    },
)  # fmt: skip
"""OpenAI's o200k_base, of GPT-4o and later."""

_TEKKEN = TextRates(
    word=0.82,
    letter=0.32,
    digits=1.23,
    space=0.65,
    punctuation=0.87,
    more_punctuation=0.2,
    scripts={
        "latin": 0.1, "greek": 0.43, "cyrillic": 0.35, "semitic": 0.43, "indic": 0.44, "han": 1.0, "kana": 0.7,
        "hangul": 0.72, "mark": 0.5, "other": 4.0,
    },
    single_digits=True,
)  # fmt: skip
"""Mistral's tekken."""

_DEEPSEEK = TextRates(
    word=0.96,
    letter=0.23,
    digits=1.38,
    space=0.25,
    punctuation=0.92,
    more_punctuation=0.18,
    scripts={
        "latin": 0.3, "greek": 0.54, "cyrillic": 0.38, "semitic": 0.47, "indic": 0.46, "han": 0.7, "kana": 0.67,
        "hangul": 0.94, "mark": 0.3, "other": 2.5,
    },
)  # fmt: skip
"""DeepSeek's, of V3."""

_CLAUDE = TextRates(
    word=0.98,
    letter=0.2,
    digits=1.23,
    space=0.5,
    punctuation=0.99,
    more_punctuation=0.13,
    scripts={
        "latin": 1.5, "greek": 1.25, "cyrillic": 0.65, "semitic": 1.1, "indic": 1.5, "han": 1.25, "kana": 1.05,
        "hangul": 1.53, "mark": 0.6, "other": 3.2,
    },
)  # fmt: skip
"""Anthropic's published tokenizer (of Claude 2); later ones are scaled from it."""


_TILES = tiles(85, 170)
"""Of GPT-4o and GPT-4.1."""


@dataclass(frozen=True, slots=True)
class TokenFamily:
    """How the input of a family of models is counted.

    Attributes:
        text: The rates of text.
        request: Tokens of any request: the start of the answer, a built-in system prompt.
        message: Tokens of a message beyond its content.
        system: The same of a system message, which some providers put elsewhere; `None` if it is like others.
        tools: Tokens of any request with tools: what tells the model how to call them.
        tool: Tokens of a tool beyond its name, description and schema.
        schema: What the text of a tool's schema is multiplied by: providers write schemas shorter than JSON, or
            with more around them.
        call: Tokens of a tool call beyond its name and arguments.
        result: Tokens of a tool's result beyond its content.
        image: Tokens of a picture by its size.
        page: Tokens of a page of a PDF.
        audio_second: Tokens of a second of sound.
        video_second: Tokens of a second of film.
    """

    text: TextRates
    request: float = 3
    message: float = 4
    system: float | None = None
    tools: float = 0
    tool: float = 8
    schema: float = 1.0
    call: float = 8
    result: float = 4
    image: ImageTokens = _TILES
    page: float = 1500
    audio_second: float = 25
    video_second: float = 263


_OPENAI = TokenFamily(
    text=_O200K,
    # Functions are shown to the model as TypeScript, which is shorter than their JSON Schema.
    tools=20,
    schema=0.6,
)
_GPT_OSS = replace(_OPENAI, request=65)  # a system prompt of its own (openai/harmony)

# "Tool use system prompt" of Claude, with tool_choice auto (docs.anthropic.com, pricing): 530 tokens for Claude 3
# Opus, 159 for Sonnet, 264 for Haiku, 346 from 3.5 Sonnet to 4.1. For 4.5 no page was at hand: two recorded
# answers of Haiku 4.5 leave 504 and 507.
_CLAUDE_4 = TokenFamily(
    text=_CLAUDE,
    request=6,
    message=3,
    system=0,
    tools=346,
    tool=13,
    # One token per square of 28 pixels; a larger picture is made smaller (measured by others, image by image:
    # huggingface.co/datasets/JOHNISKING/image-token-cost).
    image=patches(28, most=1600, edge=1568),
    # Text and picture of the page: Amazon's documents give some 7000 tokens for three pages.
    page=2300,
)
_CLAUDE_4_5 = replace(_CLAUDE_4, tools=496)
# A new tokenizer, of 1.0 to 1.35 times as many tokens (Anthropic's migration guide to Opus 4.7), and larger
# pictures (the same measurements, of Claude 5.5).
_CLAUDE_5 = replace(
    _CLAUDE_4_5, text=replace(_CLAUDE, scale=1.25), tools=620, image=patches(28, most=4000, edge=2044), page=3000
)

_GEMINI = TokenFamily(
    text=_TEKKEN,  # digits one by one, as Gemini's; no vocabulary of Gemini is published
    request=0,
    message=0,
    tool=2,
    # Of a schema only the names and descriptions are counted; Gemini 3 writes out more of it.
    schema=0.3,
    call=2,
    result=2,
    image=crops(258, side=768, small=384),
    page=258,
    audio_second=32,
)
# Pictures: the measurements named above; pages: ai.google.dev/gemini-api/docs/media-resolution.
_GEMINI_3 = replace(_GEMINI, schema=1.0, image=flat(1064), page=560)

_MISTRAL = TokenFamily(text=_TEKKEN, tools=10, schema=0.9, image=patches(28, most=3025, edge=1540))
# The template's system prompt tells the date; tools are written with indentation and instructions.
_LLAMA = TokenFamily(text=_CL100K, request=30, message=5, tools=300, schema=1.8)
_QWEN = TokenFamily(text=replace(_DEEPSEEK, digits=1.2, single_digits=True), message=5, tools=200)
_COMMAND = TokenFamily(text=_O200K)
_NOVA = TokenFamily(text=_O200K, request=0, message=1, tools=870)
_GROK = TokenFamily(text=_O200K, tools=270)

_MINI, _NANO = patches(32, each=1.62, most=1536), patches(32, each=2.46, most=1536)

_FAMILIES: tuple[tuple[tuple[str, ...], TokenFamily], ...] = (
    # Pictures: platform.openai.com/docs/guides/images-vision; of GPT-5.4 and later, the measurements named above.
    (("gpt-oss*",), _GPT_OSS),
    (("gpt-4o-mini*",), replace(_OPENAI, image=tiles(2833, 5667))),
    (("gpt-4.1-mini*", "gpt-41-mini*"), replace(_OPENAI, image=_MINI)),
    (("gpt-4.1-nano*", "gpt-41-nano*"), replace(_OPENAI, image=_NANO)),
    (("gpt-4o*", "chatgpt-4o*", "gpt-4.1*", "gpt-41*", "gpt-4.5*", "gpt-audio*"), replace(_OPENAI, audio_second=10)),
    (("gpt-4*", "gpt-3.5*", "gpt-35*"), replace(_OPENAI, text=_CL100K)),
    (("gpt-5-mini*",), replace(_OPENAI, image=_MINI)),
    (("gpt-5-nano*",), replace(_OPENAI, image=_NANO)),
    (("gpt-5", "gpt-5-*", "gpt-5.[0-3]*"), replace(_OPENAI, image=tiles(70, 140))),
    (("gpt-5.*", "gpt-6*"), replace(_OPENAI, image=patches(32, each=1.2, most=10_000))),
    (("o4-mini*",), replace(_OPENAI, image=patches(32, each=1.72, most=1536))),
    (("o1*", "o3*"), replace(_OPENAI, image=tiles(75, 150))),
    (("claude-3-opus*",), replace(_CLAUDE_4, tools=530)),
    (("claude-3-sonnet*",), replace(_CLAUDE_4, tools=159)),
    (("claude-3-haiku*", "claude-3[.-]5-haiku*"), replace(_CLAUDE_4, tools=264)),
    (("claude-3*", "claude-*-4-20*", "claude-*-4", "claude-*-4[.-][01]", "claude-*-4[.-][01]-*"), _CLAUDE_4),
    (("claude-*-4[.-][56]*",), _CLAUDE_4_5),
    (("claude-*",), _CLAUDE_5),
    (("gemini-[12]*", "gemma*"), _GEMINI),
    (("gemini-*",), _GEMINI_3),
    (("*mistral*", "*mixtral*", "ministral*", "pixtral*", "codestral*", "magistral*", "devstral*"), _MISTRAL),
    (("deepseek-r1-distill-llama*",), _LLAMA),
    (("*llama*",), _LLAMA),
    # Several lines of instructions before the tools, seen in all three recorded answers with tools.
    (("deepseek*",), TokenFamily(text=_DEEPSEEK, message=1, tools=215, call=20, result=8)),
    (("qwen*", "qwq*"), _QWEN),
    (("kimi*", "moonshot*"), TokenFamily(text=_DEEPSEEK, tools=25)),
    (("glm*", "zai-glm*"), TokenFamily(text=_DEEPSEEK, tools=100)),
    (("minimax*",), TokenFamily(text=_DEEPSEEK)),
    (("nova-*",), _NOVA),
    (("grok-2*",), replace(_GROK, tools=30)),
    (("grok-*",), _GROK),
    # Cohere counts a preamble that it adds; one recorded answer each.
    (("command-a-reasoning*",), replace(_COMMAND, request=1380)),
    (("command-a-03*", "command-a"), replace(_COMMAND, request=590, tools=880)),
    (("command*",), _COMMAND),
)

_BY_PROVIDER: dict[str, TokenFamily] = {
    "anthropic": _CLAUDE_4_5,
    "google": _GEMINI_3,
    "vertex-ai": _GEMINI_3,
    "mistral-ai": _MISTRAL,
    "deepseek": TokenFamily(text=_DEEPSEEK),
    "dashscope": _QWEN,
    "x-ai": _GROK,
}
"""For models that no glob knows: the family that most models of the provider belong to."""


@lru_cache(maxsize=512)
def _by_name(name: str) -> TokenFamily | None:
    return next((family for globs, family in _FAMILIES if any(fnmatchcase(name, glob) for glob in globs)), None)


def token_family(provider: Provider | None, model: str) -> TokenFamily:
    """The family of a model; of an unknown one that of its provider, else OpenAI's."""
    found = _by_name(family_name(model)) if model else None
    if found is None and provider is not None:
        found = _BY_PROVIDER.get(provider.id)
    return found or _OPENAI
