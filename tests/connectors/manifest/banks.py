"""The two providers of the kit's own tests, described as manifests: one with windows and pages, one with a cursor."""

PAGED = """
manifest = 1
name = "paged"
title = "Paged bank"
version = "1"
timezone = "Pacific/Auckland"
base_url = "https://bank.test"

[config.token]
title = "Access token"
secret = true

[auth]
kind = "bearer"
token = "{token}"

[promises]
ids = "stable"
window_days = 90
windows_complete = true

[accounts]
path = "/accounts"
records = "accounts"

[accounts.fields]
id = "id"
name = "name"
currency = "currency"
booked = "balance"

[transactions]
path = "/transactions"
params = { account = "{account}", from = "{from}", to = "{to}", page = "" }
window = { format = "day", to = "inclusive" }
records = "transactions"
paging = { kind = "token", next = "next", param = "page" }

[transactions.fields]
id = "id"
account = "account"
amount = { path = "amount", sign = "as_is" }
currency = "currency"
description = "text"
state = { path = "booked_at", absent = "pending", otherwise = "posted" }
booking_at = "booked_at"
transaction_at = "made_at"
pending_id = "replaces"

[[errors]]
when = { error = ["DAILY_LIMIT"] }
means = "allowance_spent"
"""

CURSOR = (
    PAGED.replace('"paged"', '"cursor"')
    .replace("window_days = 90\nwindows_complete = true", 'scope = "connection"')
    .replace('booked = "balance"\n', "")
    .replace('params = { account = "{account}", from = "{from}", to = "{to}", page = "" }', "")
    .replace('paging = { kind = "token", next = "next", param = "page" }', 'params = { from = "{from}", to = "{to}" }')
    .replace('pending_id = "replaces"\n', "")
    + """
[[errors]]
when = { error = ["CHANGED"] }
means = "start_over"

[changes]
path = "/changes"
params = { cursor = "" }
records = ["added", "modified"]
removed = "removed"
param = "cursor"
next = "cursor"
more = "more"
"""
)
