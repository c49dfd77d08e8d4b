"""The allowance of PSD2 banks without the user: four calls a day for each account and kind of data."""

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from worker.connectors.base import Quota, Scope

TIMEZONE = "Europe/Berlin"
"""Where the days of PSD2 banks are counted, unless the connection says otherwise."""

QUOTAS = tuple(
    Quota(endpoint=endpoint, calls=4, window_s=86_400, scope=Scope.ACCOUNT)
    for endpoint in ("transactions", "balances", "details")
)

_ZONE = ZoneInfo(TIMEZONE)

# A spent daily allowance in the words of the banks; most of them do not say "daily". docs/providers.md lists them.
_ALLOWANCE_SPENT = re.compile(
    r"HUB046|CLO03941|ACCESS_EXCEEDED"
    r"|allowed number of accesses"
    r"|access(es)?\s+(has\s+been\s+|have\s+been\s+)?exceeded"
    r"|consented\s+multiplicity"
    r"|daily\s+(request|access|consent|call)?\s*(limit|allowance|quota)"
    r"|(limit|maximum)\b.{0,60}\b(per|a)\s+day"
    r"|n[úu]mero\s+m[áa]ximo\s+de\s+(accesos|consultas|peticiones)"
    r"|nombre\s+m[àa]xim\s+d.\s*(accessos|consultes|peticions)",
    re.IGNORECASE,
)


def allowance_spent(*texts: str | None) -> bool:
    """Say whether a bank's words mean that today's allowance is used up."""
    return any(_ALLOWANCE_SPENT.search(text) for text in texts if text)


def rest_of_day_s(now: datetime) -> float:
    """Return the seconds until midnight in central Europe, when a daily allowance without a stated time is renewed."""
    local = now.astimezone(_ZONE)
    midnight = datetime.combine(local.date() + timedelta(days=1), time.min, _ZONE)
    return (midnight - now).total_seconds()
