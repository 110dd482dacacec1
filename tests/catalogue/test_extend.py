"""Names of one's own: registered, loaded from a file, shown."""

import pytest

from langchain_pollinations_portkey.catalogue import Catalogue, ModelEntry
from langchain_pollinations_portkey.catalogue.reading import read_providers
from langchain_pollinations_portkey.errors import PortkeyConfigurationError


def test_a_registered_name_resolves(catalogue):
    entry = Catalogue.register(
        "fast",
        provider="together",
        model="meta-llama/x",
        max_output_tokens=100,
        options={"a": "b"},
        capabilities={"tool_calling": True},
    )
    assert entry == catalogue.get("fast")
    assert entry.provider == "together-ai"
    assert catalogue.resolve("fast").entry is entry
    assert "fast" in catalogue


def test_registering_again_replaces():
    Catalogue.register("fast", provider="openai", model="a")
    before = len(Catalogue.default())
    Catalogue.register("fast", provider="groq", model="b")
    assert Catalogue.default().resolve("fast").model == "b"
    assert len(Catalogue.default()) == before


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("portkey-gpt4", {"provider": "groq", "model": "x"}, ["always means openai/gpt-4", '"my-portkey-gpt4"']),
        ("x", {"provider": "opnai", "model": "x"}, ["'opnai'", '"openai"']),
        ("x", {"provider": "openai", "model": ""}, ["model", "must not be empty"]),
        ("", {"provider": "openai", "model": "x"}, ["name", "must not be empty"]),
        ("x", {"provider": "openai", "model": "x", "max_tokens": 3}, ["Catalogue.register('x')", "max_tokens: unknown field"]),
        ("x", {"provider": "openai", "model": "x", "max_output_tokens": "3"}, ["max_output_tokens", "'3'"]),
        ("x", {"provider": "openai", "model": "x", "max_output_tokens": 0}, ["1 or more"]),
        ("x", {"provider": "openai", "model": "x", "retired": "soon"}, ["retired", "YYYY-MM-DD"]),
        ("x", {"provider": "openai", "model": "x", "wire": "smoke"}, ["wire"]),
        ("x", {"provider": "openai", "model": "x", "options": {"a": object()}}, ["object is no value"]),
    ],
)  # fmt: skip
def test_a_bad_registration_says_what_is_wrong(name, fields, says):
    with pytest.raises(PortkeyConfigurationError) as caught:
        Catalogue.register(name, **fields)
    for words in says:
        assert words in str(caught.value)


def test_a_seed_row_may_be_added_as_it_is(catalogue):
    catalogue.add(catalogue.get("portkey-gpt4"))
    other = Catalogue()
    other.add(ModelEntry("portkey-gpt4", "openai", "gpt-4"))
    assert list(other) == ["portkey-gpt4"]


def test_a_file_adds_rows(tmp_path, catalogue):
    file = tmp_path / "mine.toml"
    file.write_text(
        '["my.model"]\nprovider = "mistral"\nmodel = "m"\nretired = 2026-01-05\n'
        '[other]\nprovider = "openai"\nmodel = "o"\nmax_output_tokens = 5\n',
        encoding="utf-8",
    )
    loaded = catalogue.load(file)
    assert [entry.name for entry in loaded] == ["my.model", "other"]
    assert catalogue.get("my.model").provider == "mistral-ai"
    assert catalogue.get("my.model").retired == "2026-01-05"
    assert catalogue.resolve("other").entry.max_output_tokens == 5


def test_the_file_of_the_environment_is_read_once(tmp_path, monkeypatch):
    file = tmp_path / "mine.toml"
    file.write_text('[mine]\nprovider = "openai"\nmodel = "m"\n', encoding="utf-8")
    monkeypatch.setenv("PORTKEY_CATALOGUE", str(file))
    assert Catalogue.default().resolve("mine").model == "m"
    file.unlink()
    assert "mine" in Catalogue.default()


def test_a_bad_file_of_the_environment_is_an_error_until_it_is_mended(tmp_path, monkeypatch):
    file = tmp_path / "mine.toml"
    monkeypatch.setenv("PORTKEY_CATALOGUE", str(file))
    with pytest.raises(PortkeyConfigurationError, match=r"PORTKEY_CATALOGUE: .*mine\.toml"):
        Catalogue.default()
    file.write_text('[mine]\nprovider = "openai"\nmodel = "m"\n', encoding="utf-8")
    assert "mine" in Catalogue.default()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a\n", ["not valid TOML"]),
        ('a = "b"', ["a: expected a table"]),
        ("[a]\n", ["[a]", "provider: missing", "model: missing"]),
        ('[a]\nprovider = "openai"\nmodel = "m"\ncolour = 1', ["[a]", "colour: unknown field"]),
        ('[a]\nprovider = "openai"\nmodel = 4', ["[a]", "model: input should be a valid string, not 4"]),
        ('[a]\nprovider = "opnai"\nmodel = "m"', ["[a]", "'opnai'", "together-ai"]),
        ('[a.b]\nprovider = "openai"\nmodel = "m"', ["[a]", "b: unknown field"]),
        ('["a b"]\nprovider = "openai"\nmodel = "m"\nretired = "x"', ['["a b"]', "YYYY-MM-DD"]),
        ('[claude-large]\nprovider = "openai"\nmodel = "m"', ["'claude-large' always means bedrock/"]),
    ],
)
def test_a_bad_file_says_where_it_is_wrong_and_adds_nothing(tmp_path, catalogue, text, says):
    file = tmp_path / "mine.toml"
    file.write_text('[good]\nprovider = "openai"\nmodel = "m"\n' if text.startswith('["') else "", encoding="utf-8")
    with file.open("a", encoding="utf-8") as more:
        more.write(text)
    before = list(catalogue)
    with pytest.raises(PortkeyConfigurationError) as caught:
        catalogue.load(file)
    for words in [*says, str(file)]:
        assert words in str(caught.value)
    assert list(catalogue) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a]\n", ["title: missing"]),
        ('[a]\ntitle = "A"\ncolour = 1', ["[a] colour: unknown field"]),
        ('[a]\ntitle = "A"\ndialect = "latin"', ["[a] dialect"]),
        ('[a]\ntitle = "A"\n[a.quirks]\nspeed = 1', ["quirks.speed: unknown field"]),
        ('[a]\ntitle = "A"\n[a.quirks]\naudio = 1', ["quirks.audio"]),
        ('[a]\ntitle = "A"\n[a.options]\nk = 1', ["options.k"]),
        ('[a]\ntitle = "A"\n[a.options]\nk = { }', ["options.k.header: missing"]),
        ('[a]\ntitle = "A"\n[[a.variants]]\naudio = true', ["[a] variants.0 models"]),
        (
            '[a]\ntitle = "A"\n[[a.variants]]\nmodels = "x"\nlike = "b"',
            ["variants.0 like: there is no row 'b'"],
        ),
        ('[a]\ntitle = "A"\n[[a.variants]]\nmodels = "x"\ncolour = 1', ["variants.0 colour: unknown field"]),
    ],
)
def test_a_bad_provider_row_says_where_it_is_wrong(text, says):
    with pytest.raises(PortkeyConfigurationError) as caught:
        read_providers(text, "providers.toml")
    for words in ["providers.toml: ", *says]:
        assert words in str(caught.value)


def test_a_variant_lists_only_what_differs():
    rows = read_providers(
        '[a]\ntitle = "A"\nkey_variables = ["A_KEY"]\n[a.quirks]\naudio = true\ndrops = ["n", "seed"]\n'
        '[a.quirks.losses]\njson_x = "X."\n'
        '[[a.variants]]\nmodels = "one.*"\nquirks.drops = ["n"]\nquirks.losses.json_y = "Y."\n'
        '[[a.variants]]\nmodels = "two.*"\nlike = "b"\nquirks.video = true\n'
        '[b]\ntitle = "B"\ndialect = "anthropic"\n[b.quirks]\nrequires_max_tokens = true\n',
        "providers.toml",
    )
    (_, one), (glob, two) = rows["a"].variants
    assert one.quirks.audio
    assert one.quirks.drops == {"n"}
    assert one.quirks.losses == {"json_x": "X.", "json_y": "Y."}
    assert glob == "two.*"
    assert (two.id, two.title, two.dialect, two.key_variables) == ("a", "A", "anthropic", ("A_KEY",))
    assert two.quirks.requires_max_tokens
    assert two.quirks.video
    assert not two.quirks.audio


def test_searching(catalogue):
    assert [entry.name for entry in catalogue.search("SONNET bedrock 4.5")] == ["claude-sonnet-4.5"]
    assert {entry.name for entry in catalogue.search("llama")} == {
        "portkey-llama",
        "portkey-llama-groq",
        "portkey-llama-bedrock",
    }
    assert catalogue.search("no such thing") == []
    assert len(catalogue.search("")) == len(catalogue)


def test_it_is_a_collection_of_names(catalogue):
    assert list(catalogue) == [entry.name for entry in catalogue.models()]
    assert "portkey-gpt4" in catalogue
    assert "gpt-4" not in catalogue
    assert catalogue.get("gpt-4") is None
    assert [row.id for row in catalogue.providers()][:2] == ["openai", "azure-openai"]
    assert catalogue.provider("Vertex").id == "vertex-ai"


def test_repr_is_a_list(catalogue):
    lines = repr(catalogue).splitlines()
    assert lines[0] == f"<Catalogue: {len(catalogue)} models, {len(catalogue.providers())} providers>"
    assert any("portkey-claude" in line and "(retired 2026-01-05)" in line for line in lines)
    assert repr(Catalogue()) == f"<Catalogue: 0 models, {len(catalogue.providers())} providers>"


def test_html_is_a_table_and_escaped(catalogue):
    catalogue.add(ModelEntry("<script>", "openai", "a&b", description="<b>bold</b>"))
    html = catalogue._repr_html_()
    assert html.startswith("<table>")
    assert html.count("<tr>") == len(catalogue) + 1
    assert "<code>&lt;script&gt;</code>" in html
    assert "<code>a&amp;b</code>" in html
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "retired 2026-01-05, use anthropic/claude-opus-4-8" in html
    assert "200,000" in html
