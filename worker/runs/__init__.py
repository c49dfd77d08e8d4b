"""The run row is the work: who may ask for a run, who holds it, how it ends, and when the next one is due.

`request` and `lease` import nothing but sqlalchemy and the models, so that the web app can use `worker.client`.
"""
