"""Black-box conformance cases for HTTP/1.1, event streams, long polling and WebSocket servers.

Imports nothing of the project and only the standard library, so that the folder can be copied and
run against any server: `python -m conformance --help`.
"""
