"""The command `pollinations-portkey`, also `python -m langchain_pollinations_portkey`.

What it needs beside the package itself is in the extra `[cli]`; this module runs without it, to say so.
"""

from __future__ import annotations

import sys

_EXTRA = ("typer", "rich", "dotenv")


def main() -> None:
    """Run the command, or say how to install what it needs."""
    try:
        from langchain_pollinations_portkey.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write('The command needs more packages: pip install "langchain-pollinations-portkey[cli]"\n')
        sys.exit(1)
    run()


if __name__ == "__main__":
    main()
