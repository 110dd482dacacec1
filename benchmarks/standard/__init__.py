"""LangChain's standard integration suite on other chat models, to count what they pass: `make standard`."""
