"""What pictures, PDFs and recordings measure, by their first bytes."""

from __future__ import annotations

import base64
import textwrap

import pytest

from langchain_pollinations_portkey.wire.chat import token_media
from langchain_pollinations_portkey.wire.chat.token_media import (
    Base64File,
    audio_seconds,
    image_size,
    pdf_pages,
    video_seconds,
)
from tests.wire.token_files import base64_of, bmp, gif, jpeg, pdf, png, wav, webp


@pytest.mark.parametrize(
    "file",
    [
        png(640, 480),
        gif(640, 480),
        bmp(640, 480),
        jpeg(640, 480),
        jpeg(640, 480, marker=0xC2),  # progressive
        jpeg(640, 480, before=300_000),
        jpeg(640, 480, fill=b"\xff\xff\xd0\xff\x01"),  # fill bytes and markers without a length
        webp(640, 480, b"VP8X"),
        webp(640, 480, b"VP8L"),
        webp(640, 480, b"VP8 "),
    ],
    ids=["png", "gif", "bmp", "jpeg", "progressive", "profiles", "fill", "webp-x", "webp-lossless", "webp-lossy"],
)
def test_the_size_of_a_picture(file):
    assert image_size(base64_of(file)) == (640, 480)


@pytest.mark.parametrize(
    "data",
    ["", "AAAA", "%%%%", "ÿÿÿÿ", base64_of(png(640, 480)[:20]), base64_of(jpeg(640, 480)[:25]), base64_of(b"<svg/>"),
     base64_of(b"RIFF\0\0\0\0WEBPnope" + bytes(20)),
     base64_of(webp(640, 480, b"VP8X")[:20]), base64_of(webp(640, 480, b"VP8 ")[:29]),
     base64_of(webp(640, 480, b"VP8L")[:24]), base64_of(b"RIFF\0\0\0\0WEBPVP8 "), base64_of(png(0, 480)), base64_of(b"\xff\xd8" + bytes(50))],
)  # fmt: skip
def test_a_picture_that_cannot_be_read_has_no_size(data):
    assert image_size(data) is None


def test_only_the_beginning_of_a_large_picture_is_decoded(monkeypatch):
    decoded = []
    decode = base64.b64decode

    def counting(text):
        decoded.append(len(text))
        return decode(text)

    data = base64_of(jpeg(4000, 3000, before=200_000) + bytes(5_000_000))
    monkeypatch.setattr(base64, "b64decode", counting)
    assert image_size(data) == (4000, 3000)
    assert sum(decoded) < 1000


def test_base64_with_line_breaks():
    lines = "\r\n".join(textwrap.wrap(base64_of(png(640, 480, rest=bytes(200))), 76))
    assert image_size(lines) == (640, 480)


@pytest.mark.parametrize("length", range(9))
def test_any_part_of_a_file_can_be_read(length):
    data = bytes(range(50, 50 + length))
    file = Base64File(base64_of(data))
    assert len(file) == length
    for start in range(length + 1):
        for size in range(length + 2):
            assert file.read(start, size) == data[start : start + size]
    assert b"".join(file.blocks()) == data


@pytest.mark.parametrize(
    ("file", "pages"),
    [
        (pdf(1), 1),
        (pdf(7), 7),
        (pdf(3, padding=900_000), 3),  # across blocks
        (b"%PDF-1.7\n1 0 obj<</Linearized 1/L 9000/H [ 600 200]/O 9/E 7000/N 24/T 8000>>endobj", 24),
        (b"%PDF-1.5\n3 0 obj<</Kids[4 0 R]/Count 12>>endobj<</Type/ObjStm>>", 12),
        (b"%PDF-1.5\n" + bytes(120_000), 3),  # guessed
        (b"%PDF-1.5\n", 1),
        (b"", 1),
    ],
    ids=["one", "seven", "large", "for the web", "compressed", "nothing to read", "short", "empty"],
)
def test_the_pages_of_a_pdf(file, pages):
    assert pdf_pages(base64_of(file)) == pages


@pytest.mark.parametrize("shift", range(0, 30, 3))
def test_a_page_that_lies_across_two_blocks_is_counted_once(monkeypatch, shift):
    monkeypatch.setattr(token_media, "_BLOCK", 400)
    file = b"%PDF-1.4\n" + b"x" * (280 + shift) + b"<</Type /Page >>" + b"x" * 600
    assert pdf_pages(base64_of(file)) == 1


def test_seconds():
    assert audio_seconds(base64_of(wav(2.5))) == pytest.approx(2.5)
    assert audio_seconds(base64_of(bytes(32_000))) == pytest.approx(2)
    assert audio_seconds("") == 0
    assert video_seconds(base64_of(bytes(500_000))) == pytest.approx(2)
