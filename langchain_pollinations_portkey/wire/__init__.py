"""LangChain messages to JSON and back: pure functions and fed objects, no I/O.

`chat/` speaks the OpenAI chat-completions format of the gateway's `/v1/chat/completions`. Another format of
the gateway can stand beside it: `sse`, `usage`, `finish` and `blocks` do not depend on `chat/`.
"""
