"""The code that `pollinations-portkey demo` runs and shows.

What is on the screen is the source of these functions, so it cannot differ from what is run. A function gets
what its parameters name (see `demo.Stage`); of its body everything is shown but the docstring and a last
`return` or `yield`. Hence the style: no comments that are not meant for newcomers, names as in a notebook.
"""

# ruff: noqa: A002, RET504 - `print` writes to the demo's screen; a name before `return` is there to be shown
# mypy: disable-error-code="call-arg"
# pydantic's plugin knows the field `model_name` and not its alias `model`.

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_pollinations_portkey import Catalogue, ChatPortkey, LocalGateway, ModelEntry
from langchain_pollinations_portkey.routing import Fallback, Target
from langchain_pollinations_portkey.testing import StandInProvider


class Print(Protocol):
    """What the steps know as `print`."""

    def __call__(self, *values: object, end: str = "\n", flush: bool = False) -> None:
        """Write to the demo's screen."""


def catalogue() -> list[ModelEntry]:
    """The names that never change are the first seven."""
    rows = Catalogue.default().models()[:7]
    return rows


@contextmanager
def connect_to_stand_in() -> Iterator[tuple[LocalGateway, ChatPortkey, StandInProvider]]:
    """A real gateway, and behind it the stand-in."""
    with LocalGateway() as gateway, StandInProvider() as provider:
        chat = ChatPortkey(
            model="claude-sonnet-4.5",
            base_url=gateway.base_url,
            custom_host=provider.url,  # the stand-in, where Amazon Bedrock would be
            api_key="not-needed",
        )
        yield gateway, chat, provider


@contextmanager
def connect_to_provider(model: str) -> Iterator[tuple[LocalGateway, ChatPortkey, None]]:
    """A real gateway, and behind it the model's own provider."""
    with LocalGateway() as gateway:
        chat = ChatPortkey(model=model, base_url=gateway.base_url)
        yield gateway, chat, None


def answer(chat: ChatPortkey, print: Print) -> AIMessage:
    """One question, one answer."""
    answer = chat.invoke("Why is the sky blue? One sentence, please.")
    print(answer.text)
    return answer


def stream(chat: ChatPortkey, print: Print) -> None:
    """The pieces of an answer."""
    for chunk in chat.stream("Count to twelve in words."):
        print(chunk.text, end="", flush=True)


def call_tool(chat: ChatPortkey, print: Print) -> None:
    """A question that the model needs a function for."""

    @tool
    def weather(city: str) -> str:
        """The weather in a city, now."""
        return f"21 °C and sunny in {city}"

    model = chat.bind_tools([weather])
    question = HumanMessage("Do I need an umbrella in Kyōto?")
    request = model.invoke([question])
    results = [weather.invoke(call) for call in request.tool_calls]
    for call, result in zip(request.tool_calls, results, strict=True):
        print(f"{call['name']}({call['args']}) -> {result.text}")

    print(model.invoke([question, request, *results]).text)


def structure(chat: ChatPortkey, print: Print) -> None:
    """An answer as an object."""

    class City(BaseModel):
        """A city and what to see there."""

        name: str
        country: str
        sights: list[str]

    city = chat.with_structured_output(City).invoke("Two sights of Kyōto?")
    print(repr(city))


def fall_back(gateway: LocalGateway, provider: StandInProvider, print: Print) -> None:
    """Another model steps in, at the gateway."""
    mistral = Target("portkey-mistral", custom_host=provider.url, api_key="not-needed")
    claude = Target("claude-sonnet-4.5", custom_host=provider.url, api_key="not-needed")
    chat = ChatPortkey(route=Fallback([mistral, claude]), base_url=gateway.base_url, max_retries=0)
    answer = chat.invoke("Is anybody there?")
    print(answer.text)
    served = answer.response_metadata
    print("Served by", served["last_used_option_index"], served["provider"], served["model_name"])


def cache_prompt(chat: ChatPortkey, handbook: str) -> list[AIMessage]:
    """The same long system prompt twice."""
    prompt = {"type": "text", "text": handbook, "cache_control": {"type": "ephemeral"}}
    system = SystemMessage([prompt])
    first = chat.invoke([system, HumanMessage("How many days of holiday do I have?")])
    second = chat.invoke([system, HumanMessage("And who has to agree?")])
    return [first, second]
