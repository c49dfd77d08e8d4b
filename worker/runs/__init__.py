"""Rows of import runs: request, dispatch, lease, end, schedule and limits.

`request` and `lease` import only sqlalchemy and the models, so that the web app can use `worker.client`.
"""
