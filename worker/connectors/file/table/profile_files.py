"""Reads profiles from TOML: the shipped ones, those of a drop folder, and one that a person names."""

import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worker.connectors.file.table.profile import Profile
from worker.errors import InvalidRequestError

_MAX_PROFILE_BYTES = 64 * 1024


def parse_profile(text: str, name: str = "custom") -> Profile:
    """Read a profile from TOML; `name` stands where the text gives none.

    Raises: InvalidRequestError naming the first wrong key and what is wrong with it.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequestError(f"the profile is not valid TOML: {error}") from None
    try:
        return Profile.model_validate({"name": name, **data})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the profile"
        raise InvalidRequestError(f"profile: {key}: {first['msg']}") from None


def load_profile(path: Path) -> Profile:
    """Read a profile from a TOML file.

    Raises: InvalidRequestError when it cannot be read or is wrong.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_MAX_PROFILE_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"profile {path.name} cannot be read ({type(error).__name__})") from None
    slug = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "custom"
    return parse_profile(text, slug)


@cache
def built_in_profiles() -> tuple[Profile, ...]:
    """Return the shipped profiles, by name."""
    folder = resources.files("worker.connectors.file.table") / "profiles"
    files = sorted(
        (item for item in folder.iterdir() if item.name.endswith(".toml")),
        key=lambda item: item.name.removesuffix(".toml"),
    )
    return tuple(parse_profile(item.read_text("utf-8"), item.name.removesuffix(".toml")) for item in files)


def built_in_profile(name: str) -> Profile:
    """Return a shipped profile by its name.

    Raises: InvalidRequestError naming the command that lists them.
    """
    for profile in built_in_profiles():
        if profile.name == name:
            return profile
    raise InvalidRequestError("there is no such profile; `finmind-worker files profiles` lists them")


def folder_profiles(path: Path) -> tuple[Profile, ...]:
    """Return the profiles that lie as TOML files in a drop folder; none for a path that is no folder.

    Raises: InvalidRequestError for one that is wrong.
    """
    if not path.is_dir():
        return ()
    return tuple(load_profile(one) for one in sorted(path.glob("*.toml")))
