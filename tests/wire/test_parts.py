"""A content part in five dialects, and what each provider is sent for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from langchain_core.language_models._utils import _normalize_messages
from langchain_core.messages import HumanMessage

from langchain_pollinations_portkey.wire.chat.messages import messages_to_wire
from langchain_pollinations_portkey.wire.chat.parts import UnsupportedContentError
from langchain_pollinations_portkey.wire.chat.rendering import MissingBytesError
from tests.wire.rows import ANTHROPIC, BEDROCK, GOOGLE, MARK, MISTRAL, NOVA, OPENAI, OPENROUTER, PDF, PNG

IMAGE = f"data:image/png;base64,{PNG}"
PAPER = f"data:application/pdf;base64,{PDF}"

IMAGES: dict[str, dict[str, Any]] = {
    "v1": {"type": "image", "base64": PNG, "mime_type": "image/png"},
    "v1 without a media type": {"type": "image", "base64": PNG},
    "v0": {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
    "openai": {"type": "image_url", "image_url": {"url": IMAGE}},
    "openai, a bare string": {"type": "image_url", "image_url": IMAGE},
    "openai, a data URL with a parameter": {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;charset=utf-8;base64,{PNG}"},
    },
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    "the gateway's file": {"type": "file", "file": {"mime_type": "image/png", "file_data": PNG}},
    "non_standard": {"type": "non_standard", "value": {"type": "image_url", "image_url": {"url": IMAGE}}},
}
PAPERS: dict[str, dict[str, Any]] = {
    "v1": {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"},
    "v0": {"type": "file", "source_type": "base64", "data": PDF, "mime_type": "application/pdf", "filename": "a.pdf"},
    "openai": {"type": "file", "file": {"filename": "a.pdf", "file_data": PAPER}},
    "anthropic": {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        "title": "a.pdf",
    },
    "the gateway's file": {
        "type": "file",
        "file": {"mime_type": "application/pdf", "file_data": PDF, "file_name": "a.pdf"},
    },
}
TEXTS: dict[str, dict[str, Any] | str] = {
    "string": "said",
    "text": {"type": "text", "text": "said"},
    "v1 with annotations": {"type": "text", "text": "said", "annotations": [], "index": 0, "id": "x"},
    "v1 plain": {"type": "text-plain", "text": "said", "mime_type": "text/plain"},
    "v0 text": {"type": "file", "source_type": "text", "mime_type": "text/plain", "url": "said"},
    "csv": {"type": "file", "base64": "c2FpZA==", "mime_type": "text/csv"},
    "anthropic document": {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "said"}},
    "anthropic document of parts": {
        "type": "document",
        "source": {"type": "content", "content": [{"type": "text", "text": "said"}]},
    },
}
SOUNDS: dict[str, dict[str, Any]] = {
    "v1": {"type": "audio", "base64": "UklG", "mime_type": "audio/wav"},
    "v0": {"type": "audio", "source_type": "base64", "data": "UklG", "mime_type": "audio/wav"},
    "openai": {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
}


def sent(part: dict[str, Any] | str, provider: Any) -> dict[str, Any]:
    """The part of a human message as it goes out, given directly and through LangChain's own normalising."""
    message = HumanMessage([copy.deepcopy(part)])
    [wire], losses = messages_to_wire([message], provider)
    assert not losses
    assert message.content == [part]
    [normalised], _ = messages_to_wire(_normalize_messages([message]), provider)
    assert normalised == wire
    [written] = wire["content"]
    return written


def table(dialects: dict[str, Any], expected: dict[Any, Any]) -> Any:
    cases = [
        pytest.param(part, provider, wanted, id=f"{name} to {provider.id}")
        for name, part in dialects.items()
        for provider, wanted in expected.items()
    ]
    return pytest.mark.parametrize(("part", "provider", "wanted"), cases)


class _Rows(dict):  # rows of the catalogue hold dicts, so they cannot be keys
    def __init__(self, *pairs: Any) -> None:
        self._pairs = pairs

    def items(self) -> Any:
        return self._pairs


AS_IMAGE_URL = {"type": "image_url", "image_url": {"url": IMAGE}}


@table(IMAGES, _Rows(*((row, AS_IMAGE_URL) for row in (OPENAI, ANTHROPIC, BEDROCK, GOOGLE, MISTRAL))))
def test_images(part, provider, wanted):
    assert sent(part, provider) == wanted


@table(
    PAPERS,
    _Rows(
        (OPENAI, {"type": "file", "file": {"filename": "a.pdf", "file_data": PAPER}}),
        (ANTHROPIC, {"type": "image_url", "image_url": {"url": PAPER}}),
        (
            BEDROCK,
            {"type": "file", "file": {"mime_type": "application/pdf", "file_data": PDF, "file_name": "a pdf"}},
        ),
        (GOOGLE, {"type": "image_url", "image_url": {"url": PAPER}}),
    ),
)
def test_pdfs(part, provider, wanted):
    assert sent(part, provider) == wanted


@table(TEXTS, _Rows(*((row, {"type": "text", "text": "said"}) for row in (OPENAI, ANTHROPIC, BEDROCK, GOOGLE))))
def test_text_files_are_text(part, provider, wanted):
    assert sent(part, provider) == wanted


@table(
    SOUNDS,
    _Rows(
        (OPENAI, {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}),
        (GOOGLE, {"type": "image_url", "image_url": {"url": "data:audio/wav;base64,UklG"}}),
    ),
)
def test_audio(part, provider, wanted):
    assert sent(part, provider) == wanted


def test_a_text_file_keeps_its_title():
    part = {"type": "text-plain", "text": "said", "title": "notes"}
    assert sent(part, OPENAI)["text"] == "notes\n\nsaid"


def test_video_goes_to_gemini():
    part = {"type": "video", "base64": "AAAA", "mime_type": "video/mp4"}
    assert sent(part, GOOGLE) == {"type": "image_url", "image_url": {"url": "data:video/mp4;base64,AAAA"}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [("iVBORw0KGgoAAA", "image/png"), ("/9j/4AAQ", "image/jpeg"), ("R0lGODlh", "image/gif"), ("UklGRh", "image/webp")],
)
def test_the_first_bytes_tell_an_undeclared_media_type(data, expected):
    assert sent({"type": "image", "base64": data}, ANTHROPIC)["image_url"]["url"].startswith(f"data:{expected};")


def test_the_media_type_jpg_is_jpeg():
    part = {"type": "image", "base64": "/9j/", "mime_type": "image/jpg"}
    assert sent(part, BEDROCK)["image_url"]["url"] == "data:image/jpeg;base64,/9j/"


def test_detail_goes_to_openai_only():
    part = {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}}
    assert sent(part, OPENAI)["image_url"] == {"url": IMAGE, "detail": "low"}
    assert sent(part, ANTHROPIC)["image_url"] == {"url": IMAGE}


LINK = "https://example.com/a"


@pytest.mark.parametrize(
    ("part", "provider", "expected"),
    [
        ({"type": "image", "url": LINK}, OPENAI, {"type": "image_url", "image_url": {"url": LINK}}),
        (
            {"type": "image", "source": {"type": "url", "url": LINK}},
            ANTHROPIC,
            {"type": "image_url", "image_url": {"url": LINK}},
        ),
        (
            {"type": "image", "url": f"{LINK}.webp"},
            GOOGLE,
            {"type": "image_url", "image_url": {"url": f"{LINK}.webp", "mime_type": "image/webp"}},
        ),
        (
            {"type": "file", "url": LINK, "mime_type": "application/pdf"},
            ANTHROPIC,
            {"type": "file", "file": {"mime_type": "application/pdf", "file_url": LINK}},
        ),
        (
            {"type": "image", "url": "s3://bucket/a.png"},
            NOVA,
            {"type": "file", "file": {"mime_type": "image/png", "file_url": "s3://bucket/a.png"}},
        ),
        (
            {"type": "file", "file": {"file_id": "file-1"}},
            OPENAI,
            {"type": "file", "file": {"file_id": "file-1"}},
        ),
    ],
)
def test_links(part, provider, expected):
    assert sent(part, provider) == expected


@pytest.mark.parametrize(
    ("part", "provider", "url"),
    [
        ({"type": "image_url", "image_url": {"url": LINK}}, BEDROCK, LINK),
        ({"type": "file", "url": LINK, "mime_type": "application/pdf"}, OPENAI, LINK),
        ({"type": "file", "url": LINK, "mime_type": "application/pdf"}, BEDROCK, LINK),
        ({"type": "audio", "url": LINK}, OPENAI, LINK),
    ],
)
def test_links_to_what_is_needed_as_bytes_are_refused_with_the_url(part, provider, url):
    with pytest.raises(MissingBytesError, match=r"messages\[1\] \(human\): .* bytes") as caught:
        messages_to_wire([HumanMessage("x"), HumanMessage([part])], provider)
    assert caught.value.url == url


@pytest.mark.parametrize(
    ("part", "provider", "reason"),
    [
        ({"type": "audio", "base64": "UklG"}, ANTHROPIC, "takes no audio"),
        ({"type": "video", "base64": "AAAA"}, OPENAI, "takes no video"),
        ({"type": "file", "file_id": "x"}, GOOGLE, "drops files by id"),
        ({"type": "image", "file_id": "x"}, OPENAI, "cannot be named"),
        ({"type": "file", "base64": "UEsD", "mime_type": "application/zip"}, ANTHROPIC, "no application/zip"),
        ({"type": "image"}, OPENAI, "needs `base64`, `url` or `file_id`"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,AAAA"}}, OPENAI, "data URL is not"),
        ({"type": "hologram"}, OPENAI, "type 'hologram' is not understood"),
        ({"text": "no type"}, OPENAI, "type None is not understood"),
        ({"type": "file", "base64": "/w==", "mime_type": "text/plain"}, OPENAI, "no UTF-8"),
        ({"type": "thinking", "thinking": "hm"}, ANTHROPIC, "'thinking' has no place"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name_and_position(part, provider, reason):
    with pytest.raises(UnsupportedContentError, match=r"messages\[1\] \(human\)") as caught:
        messages_to_wire([HumanMessage("x"), HumanMessage([part])], provider)
    assert reason in str(caught.value)


def test_unknown_parts_pass_when_asked_to():
    part = {"type": "hologram", "depth": 3}
    [wire], _ = messages_to_wire([HumanMessage([part])], OPENAI, on_unknown_block="pass")
    assert wire["content"] == [part]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "a", "cache_control": MARK},
        {"type": "text", "text": "a", "extras": {"cache_control": MARK}},
        {"type": "image", "base64": PNG, "mime_type": "image/png", "cache_control": MARK},
        {"type": "image", "base64": PNG, "mime_type": "image/png", "extras": {"cache_control": MARK}},
        {"type": "image_url", "image_url": {"url": IMAGE}, "cache_control": MARK},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PAPER}, "cache_control": MARK},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
        | {"cache_control": MARK},
        {"type": "non_standard", "value": {"type": "text", "text": "a"}, "cache_control": MARK},
    ],
)
def test_breakpoints_stay_on_parts_where_they_mean_something(part):
    assert sent(part, ANTHROPIC)["cache_control"] == MARK
    assert sent(part, OPENROUTER)["cache_control"] == MARK
    assert "cache_control" not in sent(part, OPENAI)


def test_what_the_gateway_loses_of_a_document_is_said():
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
    _, losses = messages_to_wire([HumanMessage([{**document, "citations": {"enabled": True}}])], ANTHROPIC)
    assert list(losses) == ["document_citations"]


def test_a_search_result_of_anthropic_is_text_in_a_message_of_the_user():
    block = {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "found"}]}
    assert sent(block, ANTHROPIC) == {"type": "text", "text": "T - S\nfound"}


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "image_url", "image_url": {"url": PAPER}}, "file"),
        ({"type": "file", "base64": PNG, "mime_type": "image/png"}, "image_url"),
        ({"type": "file", "base64": "UklG", "mime_type": "audio/wav"}, "input_audio"),
    ],
)
def test_the_media_type_says_more_than_the_name_of_the_part(part, kind):
    assert sent(part, OPENAI)["type"] == kind


def test_a_data_url_is_sent_as_the_very_string_that_was_given():
    """It may be megabytes; taking it apart and putting it together again would cost as much as sending it."""
    url = IMAGE + "A" * 1000
    assert sent({"type": "image_url", "image_url": {"url": url}}, OPENAI)["image_url"]["url"] is url


def test_a_data_url_is_put_right_where_it_is_not_as_it_should_be():
    url = f"data:image/jpg;charset=utf-8;base64,{PNG}"
    rendered = sent({"type": "image_url", "image_url": {"url": url}}, OPENAI)
    assert rendered["image_url"]["url"] == f"data:image/jpeg;base64,{PNG}"
