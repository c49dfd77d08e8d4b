"""Where the statement files of users lie. It loads no reader of files, because every worker checks paths."""

from pathlib import Path


def folder_of_user(root: Path, user_id: int) -> Path:
    """Return the folder of all statements of one user, as an absolute path."""
    return root.absolute() / f"user-{user_id}"
