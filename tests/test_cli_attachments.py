"""Files beside a question: what is read and refused, and what arrives at the providers through the real gateway."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.cli import attachments
from langchain_pollinations_portkey.cli.app import app
from langchain_pollinations_portkey.cli.attachments import Attachment, AttachmentError, content_of, read_attachment
from langchain_pollinations_portkey.gateway import downloads
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider
from tests import cli_support

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestReading:
    @pytest.mark.parametrize(
        ("name", "data", "kind", "mime_type"),
        [
            ("photo.png", PNG, "image", "image/png"),
            ("photo.jpg", JPEG, "image", "image/jpeg"),
            ("photo.gif", b"GIF89a\x01\x00", "image", "image/gif"),
            ("photo.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image", "image/webp"),
            ("photo.heic", b"\x00\x00\x00\x18ftypheic", "image", "image/heic"),
            ("scan.tiff", b"II*\x00\x08\x00", "image", "image/tiff"),
            ("old.bmp", b"BM\x00\x00\x00\x00", "image", "image/bmp"),
            ("report.pdf", PDF, "file", "application/pdf"),
            ("talk.wav", WAV, "audio", "audio/wav"),
            ("talk.mp3", b"ID3\x04\x00\x00", "audio", "audio/mpeg"),
            ("talk.bare", b"\xff\xfb\x90\x44\x00", "audio", "audio/mpeg"),
            ("talk.m4a", b"\x00\x00\x00\x20ftypM4A \x00", "audio", "audio/mp4"),
            ("talk.flac", b"fLaC\x00\x00", "audio", "audio/flac"),
            ("film.mp4", b"\x00\x00\x00\x20ftypisom\x00", "video", "video/mp4"),
            ("film.mov", b"\x00\x00\x00\x14ftypqt  \x00", "video", "video/quicktime"),
            pytest.param("photo.png", JPEG, "image", "image/jpeg", id="the bytes say more than the name"),
            pytest.param("photo", PNG, "image", "image/png", id="no ending"),
            pytest.param(
                "film.webm", b"\x1aE\xdf\xa3\x00", "video", "video/webm", id="the name, where bytes say nothing"
            ),
        ],
    )
    def test_becomes_a_block_with_its_media_type(
        self, name: str, data: bytes, kind: str, mime_type: str, folder: Path
    ) -> None:
        (folder / name).write_bytes(data)
        read = read_attachment(name)
        expected = {"type": kind, "mime_type": mime_type, "base64": in_base64(data)}
        if kind == "file":
            expected["extras"] = {"filename": name}
        assert (read.name, read.mime_type, read.text, read.block) == (name, mime_type, None, expected)

    @pytest.mark.parametrize(
        ("name", "data", "text"),
        [
            ("notes.md", "Grüße\tan alle\r\n".encode(), "Grüße\tan alle\r\n"),
            pytest.param("data.csv", b"\xef\xbb\xbfa,b\n", "a,b\n", id="with a mark of UTF-8"),
            pytest.param("wide.txt", "Grüße".encode("utf-16"), "Grüße", id="UTF-16"),
            pytest.param("drawing.svg", b"<svg/>", "<svg/>", id="a drawing that is text"),
            pytest.param("code.ts", b"let x = 1", "let x = 1", id="a name that films have too"),
            pytest.param("wrong.png", b"no picture", "no picture", id="a name that promises too much"),
            pytest.param(
                "memo.txt", b"BM is short for bone marrow", "BM is short for bone marrow", id="begins like a BMP"
            ),
            pytest.param("colours.log", b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m", id="with colours"),
        ],
    )
    def test_text_stays_text(self, name: str, data: bytes, text: str, folder: Path) -> None:
        (folder / name).write_bytes(data)
        assert read_attachment(name) == Attachment(name, "text", len(data), text=text)

    @pytest.mark.parametrize(
        ("address", "block"),
        [
            ("https://example.com/a/photo.JPG?w=2", {"type": "image", "mime_type": "image/jpeg"}),
            ("http://example.com/report%201.pdf", {"type": "file", "mime_type": "application/pdf"}),
            ("HTTPS://example.com/talk.wav", {"type": "audio", "mime_type": "audio/wav"}),
        ],
    )
    def test_an_address_is_not_fetched(self, address: str, block: dict[str, Any]) -> None:
        read = read_attachment(address)
        assert read.block is not None
        assert {**read.block, "extras": None} == {**block, "url": address, "extras": None}
        assert read.size is None

    def test_home_is_understood(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("USERPROFILE", str(folder))
        (folder / "notes.txt").write_text("Hello", encoding="utf-8")
        assert read_attachment("~/notes.txt").text == "Hello"

    @pytest.mark.skipif(os.name == "nt", reason="pipes have no paths")
    def test_a_pipe_is_read_to_its_end(self) -> None:
        reading, writing = os.pipe()
        os.write(writing, b"from a command")
        os.close(writing)
        try:
            assert read_attachment(f"/dev/fd/{reading}").text == "from a command"
        finally:
            os.close(reading)

    @pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
    @pytest.mark.parametrize("ending", [b".txt", b".pdf"])
    def test_a_name_that_is_no_unicode_can_be_sent(self, folder: Path, ending: bytes) -> None:
        path = folder / os.fsdecode(b"caf\xe9" + ending)
        try:
            path.write_bytes(b"%PDF-1.7" if ending == b".pdf" else b"Hello")
        except OSError:
            pytest.skip("the file system takes Unicode only")
        read = read_attachment(str(path))
        assert read.name == "caf?" + ending.decode()
        assert json.dumps(content_of("What is it?", [read]), ensure_ascii=False).encode()


class TestRefusing:
    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("missing.png", "There is no file 'missing.png'. Check the path"),
            ("folder", "is a folder. Name the files in it"),
            ("loop", "cannot be read: "),
            ("a\x00b", "cannot be read: "),
            ("empty.txt", "'empty.txt' is empty"),
            ("blank.txt", "holds nothing but blanks"),
            ("archive.zip", "is of no kind that is known here. Images, PDFs, audio, video and text"),
            ("latin.txt", "iconv -f latin1 -t utf-8"),
            ("http://[::1/a.png", "'http://[::1/a.png' is no address"),
            ("https://example.com/page", "does not say by its ending"),
            ("https://example.com/notes.txt", "text can be piped in"),
        ],
    )
    def test_says_what_to_do(self, source: str, words: str, folder: Path) -> None:
        (folder / "folder").mkdir()
        (folder / "loop").symlink_to("loop")
        (folder / "empty.txt").touch()
        (folder / "blank.txt").write_text(" \n", encoding="utf-8")
        (folder / "archive.zip").write_bytes(b"PK\x03\x04\x14\x00\x00\x00")
        (folder / "latin.txt").write_bytes("Grüße".encode("latin-1"))
        with pytest.raises(AttachmentError) as caught:
            read_attachment(source)
        assert words in str(caught.value)
        assert caught.value.sent is False

    @pytest.mark.parametrize(("size", "fits"), [(attachments.MAX_BYTES, True), (attachments.MAX_BYTES + 1, False)])
    def test_what_is_too_large(self, size: int, fits: bool, folder: Path) -> None:
        with (folder / "big.png").open("wb") as file:
            file.write(PNG)
            file.truncate(size)
        if fits:
            assert read_attachment("big.png").size == size
        else:
            with pytest.raises(AttachmentError, match=r"larger than 20 MB\. Shrink it"):
                read_attachment("big.png")

    @pytest.mark.skipif(os.name == "nt", reason="there is no endless file")
    def test_reads_no_more_than_the_limit(self) -> None:
        with pytest.raises(AttachmentError, match="larger than 20 MB"):
            read_attachment("/dev/zero")


class TestContent:
    NOTES = Attachment("notes.txt", "text", 5, text="Hello\n")
    PHOTO = Attachment("photo.png", "image/png", 3, block={"type": "image", "base64": "AAAA", "mime_type": "image/png"})

    def test_texts_and_question_are_one_text(self) -> None:
        odd = Attachment('a"b.txt', "text", 2, text="Hi")
        assert content_of("What is it?", [self.NOTES, odd]) == (
            '<file name="notes.txt">\nHello\n</file>\n\n<file name="a\'b.txt">\nHi\n</file>\n\nWhat is it?'
        )

    def test_a_question_alone_stays_as_it_is(self) -> None:
        assert content_of("What is it?", []) == "What is it?"

    def test_blocks_keep_their_order_and_the_question_comes_last(self) -> None:
        assert content_of("Which?", [self.PHOTO, self.NOTES]) == [
            self.PHOTO.block,
            {"type": "text", "text": '<file name="notes.txt">\nHello\n</file>'},
            {"type": "text", "text": "Which?"},
        ]

    @pytest.mark.parametrize(("size", "shown"), [(999, "999 bytes"), (34_200, "34 kB"), (2_140_000, "2.14 MB")])
    def test_is_shown_with_its_size(self, size: int, shown: str) -> None:
        assert str(Attachment("photo.png", "image/png", size)) == f"photo.png (image/png, {shown})"

    def test_an_address_is_shown_without(self) -> None:
        assert str(read_attachment("https://example.com/photo.png")) == "photo.png (image/png)"

    def test_the_bytes_are_not_in_repr(self) -> None:
        assert "AAAA" not in repr(self.PHOTO)


Chat = Callable[..., Result]


@pytest.fixture
def catalogue(tmp_path: Path, provider: StandInProvider) -> Path:
    host = f'custom_host = "{provider.url}"'
    more = f'[bedrock]\nprovider = "bedrock"\nmodel = "us.anthropic.claude-played"\n{host}\n'
    more += f'[openai]\nprovider = "openai"\nmodel = "gpt-4o"\n{host}\n'
    return cli_support.catalogue_file(tmp_path / "models.toml", provider, more)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, folder: Path, catalogue: Path, pinned_gateway: LocalGateway) -> Chat:
    monkeypatch.setattr(Catalogue, "_default", None)
    monkeypatch.setenv("PORTKEY_CATALOGUE", str(catalogue))
    monkeypatch.setenv("PORTKEY_GATEWAY_URL", pinned_gateway.base_url)
    (folder / "photo.png").write_bytes(PNG)
    (folder / "my report, 1.pdf").write_bytes(PDF)
    (folder / "talk.wav").write_bytes(WAV)
    (folder / "notes.txt").write_text("Seven apples.\n", encoding="utf-8")

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, ["chat", *arguments], input=stdin)

    return run


QUESTION = {"type": "text", "text": "What is it?"}
ANTHROPIC = [
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": in_base64(PNG)}},
    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": in_base64(PDF)}},
    QUESTION,
]
OPENAI = [
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{in_base64(PNG)}"}},
    {
        "type": "file",
        "file": {"filename": "my report, 1.pdf", "file_data": f"data:application/pdf;base64,{in_base64(PDF)}"},
    },
    QUESTION,
]


@pytest.mark.gateway
class TestAtTheProvider:
    @pytest.mark.parametrize(("model", "expected"), [("other", ANTHROPIC), ("openai", OPENAI)])
    def test_image_and_pdf_arrive(
        self, model: str, expected: list[dict[str, Any]], chat: Chat, provider: StandInProvider
    ) -> None:
        provider.script(Reply("A dot."))
        result = chat("What is it?", "-m", model, "--file", "photo.png", "-f", "my report, 1.pdf")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "A dot.\n", "")
        assert provider.last.json["messages"] == [{"role": "user", "content": expected}]

    def test_image_and_pdf_arrive_at_bedrock(self, chat: Chat, provider: StandInProvider) -> None:
        result = chat("What is it?", "-m", "bedrock", "--file", "photo.png", "-f", "my report, 1.pdf")
        assert (result.exit_code, result.stderr) == (0, "")
        image, document, question = provider.last.json["messages"][0]["content"]
        assert image == {"image": {"format": "png", "source": {"bytes": in_base64(PNG)}}}
        assert document["document"]["format"] == "pdf"
        assert document["document"]["source"] == {"bytes": in_base64(PDF)}
        assert question == {"text": "What is it?"}

    def test_text_arrives_in_the_question_with_its_name(self, chat: Chat, provider: StandInProvider) -> None:
        assert chat("How many?", "-m", "openai", "-f", "notes.txt").exit_code == 0
        asked = '<file name="notes.txt">\nSeven apples.\n</file>\n\nHow many?'
        assert provider.last.json["messages"] == [{"role": "user", "content": asked}]

    def test_audio_arrives(self, chat: Chat, provider: StandInProvider) -> None:
        assert chat("What is it?", "-m", "openai", "-f", "talk.wav").exit_code == 0
        audio = {"type": "input_audio", "input_audio": {"data": in_base64(WAV), "format": "wav"}}
        assert provider.last.json["messages"][0]["content"] == [audio, QUESTION]

    def test_an_address_arrives_as_one(self, chat: Chat, provider: StandInProvider) -> None:
        address = "https://example.com/photo.png"
        assert chat("What is it?", "-m", "openai", "-f", address).exit_code == 0
        image = {"type": "image_url", "image_url": {"url": address}}
        assert provider.last.json["messages"][0]["content"] == [image, QUESTION]

    def test_an_address_that_the_provider_cannot_fetch_is_fetched_here(
        self, chat: Chat, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(downloads, "_fetch", lambda _, url: ("image/png", in_base64(PNG)))
        result = chat("What is it?", "-m", "bedrock", "-f", "https://example.com/photo.png")
        assert (result.exit_code, result.stderr) == (0, "")
        image = {"image": {"format": "png", "source": {"bytes": in_base64(PNG)}}}
        assert provider.last.json["messages"][0]["content"][0] == image

    def test_what_the_model_cannot_take_is_told_before_it_is_sent(self, chat: Chat, provider: StandInProvider) -> None:
        result = chat("What is it?", "-m", "other", "-f", "talk.wav")
        assert result.exit_code == 1
        assert "audio" in result.stderr
        assert provider.requests == []

    def test_the_question_may_be_piped(self, chat: Chat, provider: StandInProvider) -> None:
        assert chat("-m", "openai", "-f", "notes.txt", stdin="How many?\n").exit_code == 0
        assert provider.last.json["messages"][0]["content"].endswith("</file>\n\nHow many?")

    def test_no_question_is_made_up(self, chat: Chat, provider: StandInProvider) -> None:
        result = chat("-m", "openai", "-f", "photo.png")
        assert result.exit_code == 2
        assert "nothing to ask about the file" in result.stderr
        assert provider.requests == []

    def test_an_error_is_one_line(self, chat: Chat, provider: StandInProvider) -> None:
        result = chat("What is it?", "-m", "openai", "-f", "missing.png")
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert result.stderr.startswith("Error: There is no file 'missing.png'.")
        assert provider.requests == []


@pytest.mark.gateway
def test_files_in_a_conversation(
    folder: Path, catalogue: Path, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    (folder / "my photo.png").write_bytes(PNG)
    (folder / "notes.txt").write_text("Seven apples.", encoding="utf-8")
    variables = cli_support.environment(
        PORTKEY_CATALOGUE=catalogue, PORTKEY_GATEWAY_URL=pinned_gateway.base_url, PORTKEY_MODEL="other"
    )
    provider.script(Reply("A dot."), Failure(400, "No."), Reply("Seven."), Reply("Gone."))
    with cli_support.Terminal("chat", "-f", "my photo.png", cwd=folder, environment=variables) as terminal:
        terminal.wait_for("With the next question: my photo.png (image/png, 70 bytes)")
        terminal.wait_for("> ")
        terminal.type("What is it?\n")  # the file is there from the start, the question is not made up
        terminal.wait_for("A dot.")
        terminal.wait_for("> ")
        assert [part["type"] for part in provider.last.json["messages"][0]["content"]] == ["image", "text"]

        terminal.type("/file\n")
        terminal.wait_for("No file is attached.")
        terminal.wait_for("> ")
        terminal.type("/file missing.txt\n")
        terminal.wait_for("Error: There is no file 'missing.txt'")
        terminal.wait_for("> ")
        terminal.type("/file notes.txt\n")
        terminal.wait_for("With the next question: notes.txt (text, 13 bytes)")
        terminal.wait_for("> ")
        terminal.type("How many?\n")
        terminal.wait_for("Error: anthropic answered 400")
        terminal.wait_for("With the next question: notes.txt")  # the question failed, so the file waits
        terminal.wait_for("> ")
        terminal.type("How many, please?\n")
        terminal.wait_for("Seven.")
        terminal.wait_for("> ")
        assert len(provider.last.json["messages"]) == 3  # the first question is still there with its image
        assert provider.last.json["messages"][0]["content"][0]["type"] == "image"
        assert "Seven apples." in str(provider.last.json["messages"][2])

        terminal.type("/file 'my photo.png'\n")
        terminal.wait_for("my photo.png (image/png")
        terminal.wait_for("> ")
        terminal.type("/clear\n")
        terminal.wait_for("forgotten")
        terminal.wait_for("> ")
        terminal.type("Still there?\n")
        terminal.wait_for("Gone.")
        terminal.wait_for("> ")
        assert "image" not in str(provider.last.json["messages"])
        terminal.type("/help\n")
        terminal.wait_for("/file PATH")
        terminal.wait_for("> ")
        terminal.type("/exit\n")
        assert terminal.end() == 0
