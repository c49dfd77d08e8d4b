"""Statement files as a connector.

A file passes these modules in this order:

statement/    what the formats share: events, account numbers, amounts, days, encodings, files on disk
ofx/          OFX and QFX
camt/         CAMT.052, 053 and 054
swift/        MT940 and MT942
table/        CSV: layout (profile or guess), decisions over the whole file, then rows
reading       recognises the format and calls its reader
overrides     applies what a person states about an account
summary       counts and checks a file before anything is imported; `folder` does it for all files of a path
overlap       which files tell the same days: they are delivered one after the other
delivery      the rows of an account from files that tell no day twice
position      how far the files were delivered: the cursor
connector     pages for the importer; `inspection` is the report for people
"""

from worker.connectors.file.config import AccountOverride, FileConfig
from worker.connectors.file.connector import FileConnector

__all__ = ["AccountOverride", "FileConfig", "FileConnector"]
