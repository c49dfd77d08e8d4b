"""Words of statements for the state of a payment and the direction of money, in many languages. Pure."""

import re
from typing import Literal

State = Literal["pending", "void", "booked"]
Words = tuple[str, ...]


def _words(text: str) -> Words:
    return tuple(text.split("|"))


PENDING_WORDS = _words(
    "pending|authorised|authorized|authorisation|authorization|hold|on hold|processing|in process|waiting|vorgemerkt|"
    "vorgemerkte|ausstehend|in bearbeitung|en attente|en cours|pendiente|in sospeso|in attesa|openstaand|"
    "等待付款|处理中|oczekująca|venter|afventer|reserveret|reservert|reserverad|beklemede|čekající|"
    "autorizzato|autorisé|autorizado|in behandeling|gereserveerd"
)
# What stands in the place of the day of a row that is not booked yet.
UNDATED_WORDS = (*PENDING_WORDS, *_words("open|offen"))
VOID_WORDS = _words(
    "declined|failed|reverted|rejected|cancelled|canceled|void|voided|expired|denied|refused|abgelehnt|abgelehnte|"
    "storniert|stornierte|fehlgeschlagen|refusé|annulé|rechazado|cancelado|rifiutato|odrzucona|reddedildi|zamítnuto|"
    "交易关闭|已关闭|失败|slettet|geweigerd|geannuleerd|annullato|annullata|stornato|stornata|rifiutata|refusée|annulée|rechazada|cancelada|abgebrochen"
)
BOOKED_WORDS = _words(
    "reconciled|posted|completed|complete|booked|settled|cleared|success|successful|succeeded|approved|paid|done|processed|gebucht|"
    "umsatz gebucht|abgeschlossen|comptabilisé|contabilizado||r|c|udført|utført|bokført|bogført|genomförd|bokförd|"
    "ausgeführt|exécuté|ejecutado|uitgevoerd|terminé|completado|eseguito|completato|verwerkt|zaksięgowana|final|ok|"
    "交易成功|支付成功|成功|geaccepteerd|contabilizzato|"
    "confirmed|accepté|accepted|accettato|aceptado|akzeptiert|billed|berechnet|abgerechnet|executed|bezahlt"
)
# Flags of rows that were taken back: as names of columns they say that the row is void.
_MORE_VOID = _words("reversed|returned|storno|deleted|chargeback")
NO_WORDS = frozenset(_words("uncleared|unposted|unreconciled|no|n|false|f|0|-|nein|non|nee|nej|nie|não|hay\u0131r"))
YES_WORDS = frozenset(_words("yes|y|true|t|1|x|ja|j|oui|si|sí|sì|tak|sim|evet|✓|✔|*"))

DIRECTION_WORDS: tuple[tuple[Words, Words], ...] = (
    (_words("s|soll"), _words("h|haben")),
    (_words("d|dr|db|debit|dbit|dbt"), _words("c|cr|credit|crdt|cdt")),
    (_words("debit card|debit|withdrawal|withdraw|money out|paid out"), _words("credit|deposit|money in|paid in")),
    (_words("d|debet|debetas"), _words("k|kredit|kreditas")),
    (_words("lastschrift|belastung|abbuchung|auszahlung|ausgabe"), _words("gutschrift|einzahlung|einnahme")),
    (_words("débit|debit"), _words("crédit|credit")),
    (_words("cargo|débito|debito|egreso|gasto"), _words("abono|crédito|credito|ingreso")),
    (_words("addebito|uscita|dare"), _words("accredito|entrata|avere")),
    (_words("obciążenie|wypłata"), _words("uznanie|wpłata")),
    (_words("支出"), _words("收入")),
    (_words("出金"), _words("入金")),
    (_words("출금"), _words("입금")),
    (_words("χρέωση"), _words("πίστωση")),
    (_words("borç"), _words("alacak")),
    (_words("расход|списание|дебет"), _words("приход|зачисление|кредит")),
    (_words("odchozí|výdaj"), _words("příchozí|příjem")),
    (_words("kiadás|terhelés|t"), _words("bevétel|jóváírás|j")),
    (_words("saída|débito"), _words("entrada|crédito")),
    (_words("-"), _words("+")),
    (_words("af"), _words("bij")),
    (_words("out|outgoing|outflow|expense|sent"), _words("in|incoming|inflow|income|received")),
)
OUT_WORDS = tuple(dict.fromkeys(word for outs, _ in DIRECTION_WORDS for word in outs))
IN_WORDS = tuple(dict.fromkeys(word for _, ins in DIRECTION_WORDS for word in ins))
# What money was spent on says which way it went; `payment` and `refund` may be either.
SPENDING_WORDS = frozenset(_words("purchase|sale|card purchase|pos|fee|card payment|einkauf|achat|compra|acquisto"))

_STATE_IN_TEXT = re.compile(
    r"(PENDING|DECLINED|REVERSED|VOID|CANCELLED|CANCELED|FAILED|VORGEMERKT|STORNIERT)\b[\s:*\-]"
)
_NOUNS = (
    r"(?:the|your|all|my|list|of|transactions?|payments?|purchases?|charges?|items?|entries|bookings?|authori[sz]ations?"
    r"|umsätze|umsatz|buchungen|zahlungen|opérations?|operaciones|movimientos|movimenti|operazioni|transacties)"
)


def _heading(words: Words) -> re.Pattern[str]:
    state = "|".join(re.escape(word) for word in words if len(word) > 2)  # noqa: PLR2004 - a word, no flag
    return re.compile(rf"(?i)\W*+(?:{_NOUNS}\W++)*(?:{state})(?:\W++{_NOUNS})*\W*+")


_HEADINGS: tuple[tuple[re.Pattern[str], State], ...] = (
    (_heading(PENDING_WORDS), "pending"),
    (_heading(VOID_WORDS), "void"),
    (_heading(BOOKED_WORDS), "booked"),
)


def state_in_text(text: str) -> str | None:
    """Return the word in capitals that the text of a row begins with, and that is the name of a state."""
    found = _STATE_IN_TEXT.match(text)
    return found[1] if found is not None else None


def heading_state(text: str) -> State | None:
    """Return the state of the rows below a line such as `Pending transactions`; None for any other line."""
    return next((state for pattern, state in _HEADINGS if pattern.fullmatch(text)), None)


def flag_state(name: str) -> State | None:
    """Return the state that a column's name says of the rows that it marks, as `Declined` or `Booked?` does."""
    word = name.strip().casefold().rstrip("?").strip()
    if word in PENDING_WORDS:
        return "pending"
    if word in VOID_WORDS or word in _MORE_VOID:
        return "void"
    return "booked" if word in BOOKED_WORDS and len(word) > 2 else None  # noqa: PLR2004 - a word, no flag


def state_values(name: str) -> dict[State, Words]:
    """Return the values of a column of states that mean each of them.

    A column named by a state marks the rows with yes; one with another name holds the words themselves.
    """
    marked = flag_state(name)
    if marked is None:
        return {"pending": PENDING_WORDS, "void": VOID_WORDS, "booked": BOOKED_WORDS}
    word = name.strip().casefold().rstrip("?").strip()
    yes, no = (*sorted(YES_WORDS), word), (*sorted(NO_WORDS), "")
    if marked == "booked":
        return {"pending": no, "void": (), "booked": (*yes, *(one for one in BOOKED_WORDS if one))}
    return {"pending": (), "void": (), "booked": no, marked: yes}
