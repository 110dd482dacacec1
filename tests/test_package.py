"""The package as such: its names, what an import costs, its files, its debug logging."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest

import langchain_pollinations_portkey
from langchain_pollinations_portkey import _debug, _secrets
from langchain_pollinations_portkey._debug import Patterns, namespace_of

ROOT = Path(__file__).parent.parent

HEAVY = {
    "anthropic", "aiohttp", "boto3", "botocore", "httpx2", "langchain", "langchain_anthropic", "langchain_openai", "litellm",
    "numpy", "openai", "portkey_ai", "requests", "rich", "tiktoken", "torch", "transformers", "typer", "vcr",
}  # fmt: skip


def python(program: str, **environment: str) -> str:
    """What a fresh interpreter prints; a warning is an error there."""
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, env={"PATH": "/usr/bin", **environment}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_imports():
    assert sorted(langchain_pollinations_portkey.__all__) == langchain_pollinations_portkey.__all__
    for name in langchain_pollinations_portkey.__all__:
        assert getattr(langchain_pollinations_portkey, name) is not None
    assert set(dir(langchain_pollinations_portkey)) >= {
        "ChatPortkey",
        "Catalogue",
        "LocalGateway",
        "ModelEntry",
        "PortkeyError",
    }
    with pytest.raises(AttributeError, match="ChatPortke'"):
        _ = langchain_pollinations_portkey.ChatPortke


def test_the_version_is_written_once():
    assert langchain_pollinations_portkey.__version__ == metadata.version("langchain-pollinations-portkey")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]


TABLES = ["capabilities.toml", "models.toml", "providers.toml"]


@pytest.mark.parametrize(
    ("then", "tables"),
    [
        ("", []),
        ("lpp.ChatPortkey", []),
        ("lpp.ChatPortkey(model='portkey-gpt4')", TABLES),  # for its profile
        ("lpp.ChatPortkey(model='portkey-gpt4'); touched.clear(); lpp.ChatPortkey(model='portkey-claude')", []),
    ],
)
def test_an_import_does_no_io_and_brings_no_sdk(then, tables):
    program = f"""
import json, sys
import langchain_core.language_models.chat_models, httpx  # what we need anyway
before = set(sys.modules)
touched = []
def watch(event, args):
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.system", "os.mkdir", "os.rename"):
        touched.append(event)
    if event == "open" and "langchain_pollinations_portkey" in str(args[0]):
        touched.append(str(args[0]))
    if event == "open" and args[1] and set(str(args[1])) & set("wax+"):
        touched.append(str(args[0]))
sys.addaudithook(watch)
sys.dont_write_bytecode = True
import langchain_pollinations_portkey as lpp
{then}
print(json.dumps([sorted(touched), sorted(set(sys.modules) - before)]))
"""
    touched, modules = json.loads(python(program))

    assert [Path(name).name for name in touched if not name.endswith((".py", ".pyc"))] == tables
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()


@pytest.mark.skipif(sys.implementation.name != "cpython" or sys.platform != "linux", reason="counts CPython's pages")
def test_an_import_costs_the_same_at_every_depth_of_calls():
    """Each crossing of an edge of CPython's stack is a page that is got anew: thousands more at some depths."""
    program = """
import resource
def at(depth):
    if depth:
        return at(depth - 1)
    from langchain_pollinations_portkey import ChatPortkey
at({depth})
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
    python("from langchain_pollinations_portkey import ChatPortkey")  # compiled, if it was not
    pages = [int(python(program.replace("{depth}", str(depth)))) for depth in (0, 45, 90)]

    assert max(pages) - min(pages) < 1500


def test_importing_the_package_alone_imports_nothing_else():
    program = (
        "import sys, langchain_pollinations_portkey as p; print(sorted(m for m in sys.modules if 'langchain' in m))"
    )

    assert eval(python(program)) == ["langchain_pollinations_portkey", "langchain_pollinations_portkey._version"]


def test_data_files_are_where_installed_code_looks_for_them():
    package = resources.files("langchain_pollinations_portkey")

    for name in ("py.typed", "catalogue/models.toml", "catalogue/providers.toml", "catalogue/capabilities.toml"):
        assert package.joinpath(name).is_file(), name


def test_every_module_can_be_imported_first():
    modules = [
        "_debug",
        "_secrets",
        "errors",
        "notices",
        "catalogue",
        "gateway.http.transport",
        "_options",
        "_call",
        "chat_models",
    ]
    for module in modules:
        python(f"import langchain_pollinations_portkey.{module}")
        importlib.import_module(f"langchain_pollinations_portkey.{module}")


# ---------------------------------------------------------------------- DEBUG=pollinations:portkey*


@pytest.mark.parametrize(
    ("value", "namespace", "shown"),
    [
        ("pollinations:portkey*", "pollinations:portkey", True),
        ("pollinations:portkey*", "pollinations:portkey:call", True),
        ("pollinations:*", "pollinations:portkey:call", True),
        ("*", "pollinations:portkey:call", True),
        ("pollinations:portkey", "pollinations:portkey:call", False),
        ("pollinations:portkey:call", "pollinations:portkey:call", True),
        ("app:*,pollinations:portkey*", "pollinations:portkey:call", True),
        ("app:* pollinations:portkey*", "pollinations:portkey:call", True),
        ("pollinations:portkey*,-pollinations:portkey:call", "pollinations:portkey:call", False),
        ("-pollinations:portkey:call,pollinations:portkey*", "pollinations:portkey:call", False),
        ("pollinations:portkey*,-pollinations:portkey:call", "pollinations:portkey:gateway:http:transport", True),
        ("pollinations:portke?", "pollinations:portkey", False),
        ("app:*", "pollinations:portkey", False),
        ("", "pollinations:portkey", False),
    ],
)
def test_patterns(value, namespace, shown):
    assert (namespace in Patterns(value)) is shown


@pytest.mark.parametrize(
    ("value", "ours"),
    [("pollinations:portkey*", True), ("pollinations:portkey:call", True), ("*", True), ("poll*", True), ("", False),
     ("1", False), ("true", False), ("True", False), ("app:*", False), ("pollinations", False), ("pollinations:text*", False),
     ("portkey*", False), ("*,-pollinations:portkey*", False), ("-pollinations:portkey*", False)],
)  # fmt: skip
def test_only_patterns_that_mean_us_turn_anything_on(value, ours, monkeypatch):
    monkeypatch.setattr(_debug, "_seen", None)
    logger = logging.getLogger("langchain_pollinations_portkey")

    _debug.follow_environment({"DEBUG": value})
    try:
        assert Patterns(value).concern_us is ours
        assert (_debug._handler in logger.handlers) is ours
        assert logger.isEnabledFor(logging.DEBUG) is ours
    finally:
        _debug.follow_environment({})
    assert logger.handlers == []
    assert logger.level == logging.NOTSET


@pytest.mark.parametrize(
    ("logger", "namespace"),
    [
        ("langchain_pollinations_portkey", "pollinations:portkey"),
        ("langchain_pollinations_portkey._call", "pollinations:portkey:call"),
        ("langchain_pollinations_portkey.gateway.http.transport", "pollinations:portkey:gateway:http:transport"),
    ],
)
def test_namespaces(logger, namespace):
    assert namespace_of(logger) == namespace


PROGRAM = """
import logging, os
{before}
from langchain_pollinations_portkey import ChatPortkey
{between}
ChatPortkey(model="portkey-gpt4")
logging.getLogger("langchain_pollinations_portkey._call").debug("key %s", "Bearer sk-sentinel-sentinel")
logging.getLogger("langchain_pollinations_portkey.catalogue").debug("second")
logging.getLogger("other").debug("not ours")
"""


@pytest.mark.parametrize(
    ("debug", "before", "between", "lines"),
    [
        ("pollinations:portkey*", "", "", ["pollinations:portkey:call key Bearer **********", "pollinations:portkey:catalogue second"]),
        ("pollinations:portkey*,-*:catalogue", "", "", ["pollinations:portkey:call key Bearer **********"]),
        ("", "", "os.environ['DEBUG'] = 'pollinations:portkey:catalogue'", ["pollinations:portkey:catalogue second"]),
        ("1", "", "", []),
        ("", "", "", []),
    ],
)  # fmt: skip
def test_debug_logging_goes_to_standard_error_without_keys(debug, before, between, lines):
    printed = python(PROGRAM.format(before=before, between=between), DEBUG=debug)

    assert [line.partition(" ")[2] for line in printed.splitlines()] == lines


def test_logging_that_is_set_up_shows_each_line_once():
    before = "logging.basicConfig(level='DEBUG', format='root %(message)s')"

    printed = python(PROGRAM.format(before=before, between=""), DEBUG="pollinations:portkey*").splitlines()

    assert [line for line in printed if "second" in line] == ["root second"]


def test_plain_logging_works_without_the_variable():
    between = "logging.getLogger('langchain_pollinations_portkey').setLevel('DEBUG'); logging.basicConfig(format='root %(message)s')"

    assert "root second" in python(PROGRAM.format(before="", between=between)).splitlines()


# ---------------------------------------------------------------------- what is a secret


@pytest.mark.parametrize(
    "name",
    ["authorization", "Authorization", "x-portkey-api-key", "x-api-key", "api-key", "api_key", "api_keys", "x-goog-api-key",
     "x-portkey-virtual-key", "x-portkey-aws-secret-access-key", "x-portkey-aws-access-key-id", "aws_session_token",
     "x-amz-security-token", "x-portkey-azure-ad-token", "azure_entra_client_secret", "vertex_service_account_json",
     "set-cookie", "proxy-authorization", "Ocp-Apim-Subscription-Key", "proxy"],
)  # fmt: skip
def test_secret_names(name):
    assert _secrets.is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "prompt_cache_key", "x-portkey-trace-id", "x-portkey-provider", "aws_region", "user-agent",
     "x-portkey-azure-resource-name", "model", "content-type", "logprobs", "tool_choice", "azure_entra_client_id"],
)  # fmt: skip
def test_names_that_are_no_secrets(name):
    assert not _secrets.is_secret(name)


def test_every_secret_option_of_every_provider_is_known_by_its_name():
    from langchain_pollinations_portkey.catalogue import Catalogue

    options = [option for row in Catalogue.default().providers() for option in row.options.values()]

    assert [
        o.key for o in options if o.secret != _secrets.is_secret(o.key) or o.secret != _secrets.is_secret(o.header)
    ] == []


def test_masked_headers():
    config = {"targets": [{"provider": "openai", "api_key": "sentinel", "override_params": {"max_tokens": 5}}]}

    shown = _secrets.masked_headers(
        {"Authorization": "Bearer sentinel", "x-portkey-config": json.dumps(config), "x-portkey-provider": "openai"}
    )

    assert shown == {
        "Authorization": "**********",
        "x-portkey-config": '{"targets":[{"provider":"openai","api_key":"**********","override_params":{"max_tokens":5}}]}',
        "x-portkey-provider": "openai",
    }
    assert _secrets.masked_headers({"x-portkey-config": "pc-my-id"}) == {"x-portkey-config": "pc-my-id"}
    assert _secrets.masked_headers({"x-portkey-config": '{"api_key": "sentinel'}) == {"x-portkey-config": "**********"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("header 'Bearer abc'", "header 'Bearer **********'"),
        ("sk-proj-abcdefghijk is wrong", "sk-pr********** is wrong"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOS**********"),
        ("nothing secret in sk-1", "nothing secret in sk-1"),
    ],
)
def test_masked_text(text, shown):
    assert _secrets.masked_text(text) == shown
