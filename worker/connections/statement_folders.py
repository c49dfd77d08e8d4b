"""Where the statement files of users lie, and which of them go with their user. It loads no reader of files."""

import re
import shutil
from pathlib import Path

from sqlalchemy import select

from worker.db.engine import Sessions
from worker.models import User

_FOLDER = re.compile(r"user-([0-9]{1,10})")


def folder_of_user(root: Path, user_id: int) -> Path:
    """Return the folder of all statements of one user, as an absolute path."""
    return root.absolute() / f"user-{user_id}"


def remove_files_of_gone_users(sessions: Sessions, statement_folder: Path | None) -> int:
    """Delete the folders of users who are not in `users` any more, which FinMind's deletion leaves; return how many."""
    if statement_folder is None or not statement_folder.is_dir():
        return 0
    folders = {
        int(found[1]): path
        for path in statement_folder.iterdir()
        if (found := _FOLDER.fullmatch(path.name)) and path.is_dir() and not path.is_symlink()
    }
    with sessions() as session:
        there = set(session.scalars(select(User.id).where(User.id.in_(folders))))
    gone = [path for user_id, path in folders.items() if user_id not in there]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return len(gone)
