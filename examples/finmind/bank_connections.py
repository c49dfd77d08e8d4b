"""A blueprint for FinMind's backend: a person's bank connections, imports and their progress.

Register it beside the others: `app.register_blueprint(bp, url_prefix="/bank-connections")`. It needs FinMind's `db`
with the worker's tables in the same database, the package `finmind-worker`, and WORKER_REDIS_URL in the app's config.
It links nothing: credentials go to the worker's HTTP API, so that this process never holds the keys.
"""

import uuid
from datetime import date

from flask import Blueprint, current_app, jsonify, request
from flask_jwt_extended import get_jwt_identity, jwt_required

from worker.client import WorkerClient
from worker.connections import connection_queries
from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.runs import commands, run_queries
from worker.runs.run_queries import RunFilter

bp = Blueprint("bank_connections", __name__)

SHOWN = ("id", "display_name", "institution_name", "status", "status_code", "last_good_at", "next_refresh_at")


def client() -> WorkerClient:
    """One client per process: it keeps its connections to the broker."""
    extensions = current_app.extensions
    if "finmind_worker" not in extensions:
        extensions["finmind_worker"] = WorkerClient(current_app.config["WORKER_REDIS_URL"])
    return extensions["finmind_worker"]


def session():
    """FinMind's own session: what is asked for commits with everything else of this request, or not at all."""
    return current_app.extensions["sqlalchemy"].session


@bp.errorhandler(NotFoundError)
def not_found(_error):
    return jsonify(error="not found"), 404


@bp.errorhandler(ConflictError)
@bp.errorhandler(InvalidRequestError)
def refused(error):
    return jsonify(error=str(error), code=error.code), 409 if isinstance(error, ConflictError) else 422


@bp.get("/connections")
@jwt_required()
def list_connections():
    rows = connection_queries.list_connections(session(), user_id=int(get_jwt_identity()))
    return jsonify([{name: row[name] for name in SHOWN} for row in rows])


@bp.post("/connections/<uuid:connection_id>/import")
@jwt_required()
def start_import(connection_id: uuid.UUID):
    """Import what the bank has, or the days that are named; `dry_run` decides everything and writes nothing."""
    connection_queries.find(session(), connection_id, user_id=int(get_jwt_identity()))
    asked = request.get_json(silent=True) or {}
    run_id = client().request_import(
        session(),
        connection_id,
        from_date=day(asked.get("from_date")),
        to_date=day(asked.get("to_date")),
        dry_run=bool(asked.get("dry_run", False)),
    )
    return accepted(run_id)


@bp.post("/connections/<uuid:connection_id>/refresh")
@jwt_required()
def start_refresh(connection_id: uuid.UUID):
    """Fetch what is new; asking twice while it waits or runs is one run."""
    connection_queries.find(session(), connection_id, user_id=int(get_jwt_identity()))
    return accepted(client().request_refresh(session(), connection_id))


@bp.get("/connections/<uuid:connection_id>/import-runs")
@jwt_required()
def list_runs(connection_id: uuid.UUID):
    wanted = RunFilter(user_id=int(get_jwt_identity()), connection_id=connection_id, limit=20)
    return jsonify(run_queries.list_runs(session(), wanted))


@bp.get("/import-runs/<uuid:run_id>")
@jwt_required()
def show_run(run_id: uuid.UUID):
    """A run with its accounts and every decision: what a page about an import shows."""
    run = run_queries.run_of(session(), run_id, user_id=int(get_jwt_identity()))
    accounts = run_queries.accounts_of(session(), run_id)
    decisions = run_queries.decisions_of(session(), run_id, limit=100)
    return jsonify({**run, "accounts": accounts, "decisions": decisions})


@bp.post("/import-runs/<uuid:run_id>/cancel")
@jwt_required()
def cancel_run(run_id: uuid.UUID):
    status = commands.cancel(session(), run_id, user_id=int(get_jwt_identity()))
    session().commit()
    return jsonify(id=run_id, status=status)


def accepted(run_id: uuid.UUID):
    """Commit: only now does the run exist, and only now are the workers told."""
    session().commit()
    return jsonify(run_id=run_id), 202


def day(value: str | None) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise InvalidRequestError("write days as 2026-01-31") from None
