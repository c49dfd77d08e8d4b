"""The HTTP API of the web app, a thin layer over the use cases: a route parses, calls one function and answers."""
