"""The HTTP API of the web app: each route parses the request, calls one use case and returns its result."""
