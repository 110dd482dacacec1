"""The command that compares the token counter with what providers reported, on cases made here."""

import json

import pytest

from benchmarks.tokens.__main__ import main

TOOL = {"name": "add", "description": "Add two numbers", "parameters": {"type": "object", "properties": {}}}
OPENAI_TEXT = {"messages": [{"role": "user", "content": "hello"}], "model": "gpt-4o"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


def openai_case(body, prompt_tokens):
    answer = {
        "choices": [{"message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": 2, "total_tokens": prompt_tokens + 2},
    }
    return case("openai", "/v1/chat/completions", body, answer)


def case(provider, path, body, answer):
    response = {"status": 200, "headers": {"content-type": "application/json"}, "body_text": json.dumps(answer)}
    return {"provider": provider, "endpoint": "chat", "request": {"path": path, "body": body}, "response": response}


CASES = {
    "openai/text": openai_case(OPENAI_TEXT, 8),
    "openai/tools": openai_case({**OPENAI_TEXT, "tools": [{"type": "function", "function": TOOL}]}, 46),
    "openai/server-tool": openai_case({**OPENAI_TEXT, "tools": [{"type": "web_search"}]}, 300),
    "openai/picture": openai_case({"messages": [{"role": "user", "content": [PICTURE]}], "model": "gpt-4o"}, 800),
    "anthropic/text": case(
        "anthropic",
        "/v1/messages",
        {"model": "claude-sonnet-4-5", "system": "Be brief.", "messages": [{"role": "user", "content": "hello"}]},
        {
            "content": [{"type": "text", "text": "Hi."}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 6, "output_tokens": 2, "cache_read_input_tokens": 4},
        },
    ),
    "bedrock/tools": case(
        "bedrock",
        "/model/us.amazon.nova-lite-v1%3A0/converse",
        {
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "2 and 3?"}]},
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "add", "input": {}}}]},
                {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"json": {"sum": 5}}]}}]},
            ],
            "toolConfig": {"tools": [{"toolSpec": {"name": "add", "inputSchema": {"json": {"type": "object"}}}}]},
        },
        {
            "output": {"message": {"content": [{"text": "5"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1000, "outputTokens": 1},
        },
    ),
    "google/text": case(
        "google",
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Name three rivers of France, please."}]}]},
        {
            "candidates": [{"content": {"parts": [{"text": "Seine"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 1},
        },
    ),
}


@pytest.fixture
def cases(tmp_path):
    for name, content in CASES.items():
        file = tmp_path / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
    (tmp_path / "openai" / "text.gateway.json").write_text("not read")
    return tmp_path


def test_the_error_is_printed_by_provider_and_kind(cases, capsys):
    main(["--cases", str(cases), "--each"])
    printed = capsys.readouterr().out
    rows = [line.strip().strip("|").split("|") for line in printed.splitlines() if line.startswith("| ")]
    table = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert table["Provider"] == ["text", "tools", "pictures", "answers"]
    assert table["openai"][0] == "0% (+0%, 1)"
    assert table["anthropic"][0].endswith(", 1)")
    assert table["bedrock"][1].endswith(", 1)")
    assert table["all"][0].endswith(", 3)")
    assert "picture at an address (1), web_search (1)" in printed
    assert "8 for      8    +0%  openai/text gpt-4o" in printed


def test_without_cases_the_command_says_what_it_needs(monkeypatch, capsys):
    monkeypatch.delenv("PORTKEY_RECORDED_CASES", raising=False)
    with pytest.raises(SystemExit):
        main([])
    assert "PORTKEY_RECORDED_CASES" in capsys.readouterr().err
