"""Classifies errors of Postgres by SQLSTATE: one table for tasks, API and commands.

| trouble | a task | the API | a command |
|---|---|---|---|
| contention | does the transaction again, then hands the run back | 503 `busy` | says so |
| crowded, starting, read_only, full, refused | hands the run back for a while; no attempt | 503 | says what it is |
| away, memory | hands the run back, which goes on later | 503 | says what it is |
| forbidden, absent | a defect of the installation: the run fails, `internal` | 500 | says what to run |
| other | a defect of the program: `internal` | 500 | names the error |
"""

import re
from collections.abc import Mapping
from enum import StrEnum

import psycopg2
from psycopg2 import errors
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError


class DatabaseTrouble(StrEnum):
    """Why a statement did not go through."""

    CONTENTION = "contention"
    CROWDED = "crowded"
    STARTING = "starting"
    READ_ONLY = "read_only"
    FULL = "full"
    MEMORY = "memory"
    AWAY = "away"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"
    OTHER = "other"


_T = DatabaseTrouble

_EVERYBODYS = frozenset({_T.CROWDED, _T.STARTING, _T.READ_ONLY, _T.FULL, _T.REFUSED})
"""No statement can have brought it about, as one can that takes all memory or ends the server."""

PASSING = _EVERYBODYS | {_T.AWAY, _T.MEMORY}
"""Nothing is wrong with the statement: it goes through once the server takes it."""

SQLSTATES: Mapping[str, DatabaseTrouble] = {
    "40001": _T.CONTENTION,  # serialization_failure
    "40P01": _T.CONTENTION,  # deadlock_detected
    "55P03": _T.CONTENTION,  # lock_not_available: lock_timeout
    "57014": _T.CONTENTION,  # query_canceled: statement_timeout, or somebody's pg_cancel_backend
    "25006": _T.READ_ONLY,  # read_only_sql_transaction: a standby, or the former primary after a failover
    "53300": _T.CROWDED,  # too_many_connections
    "57P03": _T.STARTING,  # cannot_connect_now: starting up, shutting down, in recovery
    "57P01": _T.AWAY,  # admin_shutdown, pg_terminate_backend
    "57P02": _T.AWAY,  # crash_shutdown
    "57P05": _T.AWAY,  # idle_session_timeout
    "25P03": _T.AWAY,  # idle_in_transaction_session_timeout
    "25P04": _T.AWAY,  # transaction_timeout, of a role or of the server
    "53100": _T.FULL,  # disk_full; of a statement's own temporary files: memory
    "53200": _T.MEMORY,  # out_of_memory
    "53400": _T.MEMORY,  # configuration_limit_exceeded: temp_file_limit, for what memory does not hold
    "28P01": _T.REFUSED,  # invalid_password
    "28000": _T.REFUSED,  # invalid_authorization_specification
    "3D000": _T.REFUSED,  # invalid_catalog_name: there is no such database
    "42501": _T.FORBIDDEN,  # insufficient_privilege
    "42P01": _T.ABSENT,  # undefined_table
    "42703": _T.ABSENT,  # undefined_column
    "42883": _T.ABSENT,  # undefined_function
    "40003": _T.AWAY,  # statement_completion_unknown
    # whole classes
    "08": _T.AWAY,  # connection_exception
    "28": _T.REFUSED,  # invalid_authorization_specification
    "40": _T.CONTENTION,  # transaction_rollback
    "53": _T.FULL,  # insufficient_resources
    "57": _T.AWAY,  # operator_intervention
    "58": _T.AWAY,  # system_error
}
"""The meaning of an SQLSTATE, or of its class (its first two characters)."""

_FILES_OF_STATEMENTS = "pgsql_tmp"
"""In the path of each file with what the memory of one statement does not hold."""

_WHOLE = 5

# An error while connecting has no SQLSTATE in psycopg2, only the server's words.
_WORDS: tuple[tuple[re.Pattern[str], DatabaseTrouble], ...] = (
    (re.compile(r"too many (clients|connections)|connection slots are reserved|no more connections"), _T.CROWDED),
    (re.compile(r"database system is (starting up|shutting down|in recovery|not yet accepting)"), _T.STARTING),
    (re.compile(r"session is read-only|server is in hot standby"), _T.READ_ONLY),
    (
        re.compile(r"authentication failed|no password supplied|no pg_hba\.conf entry|not permitted to log in"),
        _T.REFUSED,
    ),
    (re.compile(r"(role|database) \".*\" does not exist|permission denied for database"), _T.REFUSED),
)


def trouble_of(error: DBAPIError) -> DatabaseTrouble:
    """Return what an error means."""
    code = getattr(error.orig, "pgcode", None) or _code_of_class(error.orig)
    if code is not None:
        if SQLSTATES.get(code) is _T.FULL and _FILES_OF_STATEMENTS in str(error.orig):
            return _T.MEMORY
        return SQLSTATES.get(code) or SQLSTATES.get(code[:2]) or DatabaseTrouble.OTHER
    if not (isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated):
        return DatabaseTrouble.OTHER
    return _trouble_in_words(error.orig)


def is_crowded(error: psycopg2.Error) -> bool:
    """Return whether a server has no room for one more connection."""
    return _trouble_in_words(error) is DatabaseTrouble.CROWDED


def _trouble_in_words(error: BaseException | None) -> DatabaseTrouble:
    # psycopg2 has no class of its own for a server that closed the connection: some are plain DatabaseErrors.
    words = str(error)
    return next((trouble for pattern, trouble in _WORDS if pattern.search(words)), DatabaseTrouble.AWAY)


def _code_of_class(error: BaseException | None) -> str | None:
    """Return the SQLSTATE of an error that was raised without a server's answer, by its class."""
    codes = (code for code in SQLSTATES if len(code) == _WHOLE)
    return next((code for code in codes if type(error) is errors.lookup(code)), None)


def is_contention(error: DBAPIError) -> bool:
    """Return whether the transaction gave way to another one (deadlock, timeout, cancelled): it may be tried again."""
    return trouble_of(error) is DatabaseTrouble.CONTENTION


def is_away(error: DBAPIError) -> bool:
    """Return whether the server does not take statements for now, instead of having refused this one."""
    return trouble_of(error) in PASSING


def keeps_everybody_out(error: DBAPIError) -> bool:
    """Return whether the server takes nobody's statements for now, whatever they are."""
    return trouble_of(error) in _EVERYBODYS
