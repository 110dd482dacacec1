"""The command line: `pollinations-portkey`, with the extra `[cli]`. Nothing else of the package imports it."""
