"""The chat-completions format: requests out, answers and streams in."""
