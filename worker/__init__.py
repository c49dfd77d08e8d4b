"""The FinMind bank worker: keeps a person's expenses in step with their bank accounts.

Data moves one way. Somebody asks (`client`, `cli`, `api`, beat) and leaves a run row (`runs`); a task claims it and
the importer fetches (`connectors`), decides (`importer.decide`) and applies (`importer.store`); events it leaves behind
are delivered by `webhooks`. Rows are the hand-over, Celery messages only nudges that carry ids.
"""

__version__ = "0.3.0"
