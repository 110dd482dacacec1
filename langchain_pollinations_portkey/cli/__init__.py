"""The command line: `pollinations-portkey`, with the extra `[cli]`. Nothing else of the package imports it."""

PROGRAM = "pollinations-portkey"
"""The name of the command."""
