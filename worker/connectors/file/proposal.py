"""Proposes a profile for a table nobody has described, with a question for each doubt."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.connectors.file.config import FileConfig
from worker.connectors.file.reading import Understood, understand
from worker.connectors.file.statement.errors import Doubt, StatementError
from worker.connectors.file.statement.files import members
from worker.connectors.file.table.profile import Profile
from worker.errors import InvalidRequestError

_MAX_DOUBTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileProposal:
    """A profile that reads a table, and what a person should confirm.

    Attributes:
        profile: Every doubt settled by its first choice.
        doubts: The open questions.
    """

    profile: Profile
    doubts: tuple[Doubt, ...]

    def as_report(self) -> dict[str, Any]:
        """Return the proposal as plain data, for the web app."""
        return {"profile": profile_keys(self.profile), "questions": [one.as_report() for one in self.doubts]}

    def as_toml(self) -> str:
        """Return the proposal as a TOML file, its questions as comments."""
        questions = [f"# {one.text} Assumed: {one.choices[0]}; or {', '.join(one.choices[1:])}." for one in self.doubts]
        return "\n".join([*questions, profile_toml(profile_keys(self.profile))])


def propose_profile(path: Path, config: FileConfig) -> ProfileProposal:
    """Return the profile of a table, as far as it can be found out.

    Raises: InvalidRequestError when the file is no table, or cannot be read whatever is assumed.
    """
    doubts: list[Doubt] = []
    try:
        [member] = members(path)
        for _ in range(_MAX_DOUBTS):
            try:
                understood = understand(member, config.choices())
            except StatementError as error:
                unanswered = [doubt for doubt in error.doubts if not _is_answered(config, doubt)]
                if not unanswered:
                    raise
                doubts += unanswered
                for doubt in unanswered:
                    config = settled(config, doubt, doubt.choices[0])
            else:
                return ProfileProposal(profile=_profile_of(understood, path, config), doubts=tuple(doubts))
    except (StatementError, ValueError) as error:
        raise InvalidRequestError(f"{path.name}: {error}") from None
    raise InvalidRequestError(f"{path.name}: too many doubts")


def _is_answered(config: FileConfig, doubt: Doubt) -> bool:
    if doubt.column is not None:
        return doubt.column in config.columns or doubt.column in config.ignored
    return getattr(config, doubt.field) is not None


def settled(config: FileConfig, doubt: Doubt, answer: str) -> FileConfig:
    """Return the config with an answer to a doubt. Raises: InvalidRequestError for an answer that is none."""
    if answer not in doubt.choices:
        raise InvalidRequestError(f"'{answer}' is none of {', '.join(doubt.choices)}")
    if doubt.column is None:
        return config.model_copy(update={doubt.field: answer})
    if answer == "ignore" and not doubt.column.isdecimal():
        return config.model_copy(update={"ignored": (*config.ignored, doubt.column)})
    return config.model_copy(update={"columns": {**config.columns, doubt.column: answer}})


def _profile_of(understood: Understood, path: Path, config: FileConfig) -> Profile:
    """Write what was decided over a file into its profile."""
    table = understood.table
    if table is None:
        raise ValueError(f"is {understood.format.value.upper()}, which needs no profile")
    profile, decisions, layout = table.layout.profile, table.decisions, table.layout
    slug = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "custom"
    return profile.model_copy(
        update={
            "name": slug[:60],
            "columns": layout.header if layout.header_line == 0 else (),
            "delimiter": layout.delimiter,
            "decimal": decisions.mark,
            "date_order": decisions.order if not profile.date_format else None,
            "sign": "flipped" if decisions.signs.positive_is == "out" else "as_is",
            "direction_from": config.direction_from or profile.direction_from,
        }
    )


def profile_keys(profile: Profile) -> dict[str, Any]:
    """Return the keys of a profile that are not at their defaults, without its sample."""
    return profile.model_dump(mode="json", exclude_defaults=True, exclude={"sample", "expected"})


def profile_toml(values: dict[str, Any]) -> str:
    """Write a profile as TOML, a key a line; JSON strings and lists are TOML too."""
    return "\n".join(f"{key} = {_toml_value(value)}" for key, value in values.items())


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {_toml_value(inner)}" for key, inner in value.items())
        return f"{{ {inner} }}"
    return json.dumps(value, ensure_ascii=False)
