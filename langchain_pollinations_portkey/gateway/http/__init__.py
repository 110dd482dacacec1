"""How requests travel: HTTP to a gateway or another server. The only room that knows httpx and httpcore.

`transport` sends and reads, through `clients` that all models share; `messages` has what is sent and what comes back,
`failures` what can go wrong. `connections` carries requests where nothing stands between us and the server: it keeps
connections of httpcore's on the byte streams of `network` and `loop_stream`, and reads streamed bodies by `chunked`.
"""
