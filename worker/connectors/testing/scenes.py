"""Sets up the ledger for checks. Rows stay in the middle of the window unless a check is about its edges."""

from worker.connectors.testing.subject import Subject


def usual(subject: Subject) -> None:
    """Let every account have a few rows on days of their own, all in the afternoon."""
    for account in range(len(subject.ledger.accounts)):
        for number, minor in enumerate((-1_250, -4_999, 250_000, -75)):
            subject.ledger.book(minor - account, subject.day(25 - 3 * number), account=account)


def many(subject: Subject, count: int = 9, page_size: int = 2) -> None:
    """Let the first account have more rows than one page holds."""
    subject.ledger.page_size = page_size
    for number in range(count):
        subject.ledger.book(-1_000 - number, subject.day(25 - number))
