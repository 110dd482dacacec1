"""Executes the notebooks of `examples/`: for the tests in a copy, by `make notebooks` where they stand.

Run as `python -m tests.examples.notebooks` it writes the output of each into its file. What would differ from
run to run without a change - times, versions, how a stream was cut - is left out of the files.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.gateway.local import LocalGateway
from tests.conftest import GATEWAYS, ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
CELL_TIMEOUT = 90
"""Seconds for one cell, on a busy machine; a whole notebook takes a fraction of it."""

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def copied_examples(scratch: Path) -> Path:
    """A copy of the folder of examples, so that what a notebook writes stays out of the repository."""
    return shutil.copytree(EXAMPLES, scratch / "examples", ignore=shutil.ignore_patterns("__pycache__"))


def execute(notebook: Path, folder: Path, environment: Mapping[str, str]) -> nbformat.NotebookNode:
    """Run all cells of a notebook.

    Args:
        notebook: The file; it is not changed.
        folder: The working directory, with the modules that the notebook imports.
        environment: All environment variables of its process.

    Raises:
        CellExecutionError: A cell raised something.
    """
    node = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        node,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=dict(environment))
    node.metadata = nbformat.from_dict(_METADATA)
    for cell in node.cells:
        # Whether a cell is folded, how long it took: matters of whoever looks at it.
        cell.metadata = nbformat.from_dict({name: value for name, value in cell.metadata.items() if name == "tags"})
    return node


def without_keys(environment: Mapping[str, str], scratch: Path, gateway: LocalGateway) -> dict[str, str]:
    """The variables for a notebook that is to be played by the stand-in: no keys, this checkout's gateway.

    Args:
        environment: What there is.
        scratch: A folder for what Jupyter, IPython and others keep beside their work.
        gateway: The gateway to use.
    """
    secret = {name for row in Catalogue.default().providers() for name in row.key_variables}
    kept = {
        name: value
        for name, value in environment.items()
        if name not in secret and not name.startswith(("AWS_", "PORTKEY_", "LANGSMITH_", "LANGCHAIN_", "DEBUG"))
    }
    return {
        **kept,
        "PORTKEY_GATEWAY_URL": gateway.base_url,
        "IPYTHONDIR": str(scratch / "ipython"),
        "JUPYTER_CONFIG_DIR": str(scratch / "jupyter"),
        "JUPYTER_DATA_DIR": str(scratch / "jupyter"),
        "COLUMNS": "100",
    }


def main(names: list[str]) -> None:
    """Write the output of the named notebooks, or of all, into their files."""
    chosen = [EXAMPLES / Path(name).name for name in names] or NOTEBOOKS
    with tempfile.TemporaryDirectory() as scratch, LocalGateway(install_dir=GATEWAYS / "pinned") as gateway:
        folder = copied_examples(Path(scratch))
        environment = without_keys(os.environ, Path(scratch), gateway)
        for notebook in chosen:
            print(notebook.name, flush=True)  # noqa: T201 - a command tells how far it is
            nbformat.write(execute(notebook, folder, environment), notebook)


if __name__ == "__main__":
    main(sys.argv[1:])
