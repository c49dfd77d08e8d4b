"""Included by the worker under test: the real providers' addresses lead to the echo on this machine."""

import os

from worker.connectors.enablebanking import api as enablebanking
from worker.connectors.gocardless import api as gocardless
from worker.connectors.plaid import api as plaid

ECHO = os.environ["ECHO_URL"]

plaid._HOSTS = dict.fromkeys(plaid._HOSTS, f"{ECHO}/plaid")
enablebanking._HOST = f"{ECHO}/enablebanking"
gocardless._HOST = f"{ECHO}/gocardless"
