"""Statement files as a connector. One way: source → text → reading → events (statement) → relabel → delivery → pages.

source, text          bytes on disk, archives within a budget, encodings
reading               which format a file has, and its reader
ofx, camt, swift      formats that name themselves: OFX and QFX, CAMT, MT940 and MT942
table                 CSV: layout (profile, guess) → survey (decisions over the whole file) → rows
tally, folder         what files come to, account by account, before anything is imported
overlap, delivery     each row once, out of several files
"""

from worker.connectors.file.config import AccountOverride, FileConfig
from worker.connectors.file.connector import FileConnector

__all__ = ["AccountOverride", "FileConfig", "FileConnector"]
