"""`python -m benchmarks.features`: try every feature both ways, and write the table into the README."""

from __future__ import annotations

import json
import os
import textwrap
from importlib.metadata import version
from pathlib import Path

from benchmarks.features.table import FEATURES, Stage, Verdict, table
from benchmarks.readme import write
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider

ROOT = Path(__file__).parent.parent.parent
GATEWAYS = ROOT / ".gateways"


def tried() -> list[tuple[str, Verdict, Verdict]]:
    """Each feature, by the recipe and by ours."""
    with (
        StandInProvider() as provider,
        LocalGateway(install_dir=GATEWAYS / "pinned") as gateway,
        LocalGateway(install_dir=GATEWAYS / "plain") as plain,
    ):
        stage = Stage(gateway, plain, provider)
        return [(feature, stage.recipe(trial), stage.ours(trial)) for feature, trial in FEATURES.items()]


def how() -> str:
    """The line below the table."""
    text = (
        f"`make features` tries each row both ways, through the real gateway ({gateway_version()}) to a stand-in for "
        f"the provider, and writes this table; the recipe is that of Portkey's and LangChain's documentation, with "
        f"`langchain-openai` {version('langchain-openai')}, and the better one of strict mode on and off counts."
    )
    return textwrap.fill(text, 115, break_on_hyphens=False, break_long_words=False)


def gateway_version() -> str:
    manifest = GATEWAYS / "pinned" / "node_modules" / "@portkey-ai" / "gateway" / "package.json"
    return json.loads(manifest.read_text(encoding="utf-8"))["version"]


def main() -> None:
    for name in list(os.environ):  # keys and settings of whoever runs this
        if name.startswith(("AWS_", "LANGCHAIN_", "LANGSMITH_", "OPENAI_", "PORTKEY_")):
            del os.environ[name]
    rows = tried()
    text = f"{table(rows)}\n\n{how()}"
    write("features", text)
    print(text)
    if any(ours.mark != "yes" for _, _, ours in rows):
        raise SystemExit("ChatPortkey lacks some of them.")


if __name__ == "__main__":
    main()
