"""The commands of workers and beat."""

import gc
import sys
from importlib import import_module

import pytest
from celery import signals

from worker import celery_command


def test_what_libraries_are_kept_from_is_there_for_connectors_of_other_packages(monkeypatch, capsys):
    for name in celery_command.UNUSED:
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name))  # to be put back
    monkeypatch.setattr(sys, "argv", ["celery_command", "worker", "--help"])
    with pytest.raises(SystemExit):
        celery_command.main()
    assert "--concurrency" in capsys.readouterr().out
    assert gc.isenabled(), "garbage is looked for once all is loaded"
    with pytest.raises(ModuleNotFoundError):
        import_module("yaml")
    signals.celeryd_init.send(sender="worker@here", instance=None, conf=None, options={})  # a worker starts
    assert import_module("yaml")
