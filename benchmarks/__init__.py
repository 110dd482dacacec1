"""What calls cost, measured side by side with raw httpx and the other LangChain models: `python -m benchmarks`."""
