"""Guesses the layout of a table from its column names, in many languages. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from worker.connectors.file.statement.currencies import names_currency
from worker.connectors.file.table.profile import Profile, plain
from worker.connectors.file.table.state_words import IN_WORDS, OUT_WORDS, State, Words, state_values

_WORDS: dict[str, str] = {
    "date": "利用日|bokföringsdatum|reskontradatum|data transakcji|取引日時|交易时间|거래일시|거래일자|תאריך|التاريخ|"
    "ημερομηνία|päivämäärä|kirjauspäivä|tarih|işlem tarihi|dátum|datum zaúčtování|datum zaúčtovania|"
    "дата|дата операции|data tranzacției|könyvelés dátuma|date de l'opération|交易日期|取引日|"
    "日付|"
    "date|booking date|posting date|post date|posted date|transaction date|trans date|trans. date|datum|"
    "buchungstag|buchungsdatum|buchung|date comptable|date opération|date operation|date d'opération|dateop|fecha|"
    "fecha operación|fecha operacion|fecha contable|data|data contabile|data operazione|data lançamento|"
    "data operacji|data księgowania|boekdatum|"
    "uitvoeringsdatum|data mov.|datum provedení|transaktionsdag|boekingsdatum|txn date|tran date|bokföringsdag|"
    "bokføringsdato|"
    "dato|bogført|bogføringsdato",
    "value_date": "datum valute|datum valuty|data valuty|"
    "value date|value dt|valuta|valutadatum|wertstellung|wert|date valeur|date de valeur|fecha valor|"
    "data valuta|data valor|belegdatum|rentedatum|valuta date|valör|valutadag|rentedato|data waluty",
    "amount": "利用金額|montante|määrä euroa|částka v měně účtu|kwota w walucie rachunku|montant operation en euro|"
    "montant operation|入出金(円)|거래금액|ποσό|määrä|summa|tutar|işlem tutar\u0131|suma|částka|objem|сумма|"
    "сумма операции|sumă|összeg|"
    "montant net|金额|金额(元)|"
    "amount|betrag|umsatz|montant|importe|importo|valor|bedrag|kwota|belopp|beløb|beløp|amount (eur)|"
    "amount (usd)|amount (gbp)|betrag (eur)|betrag (€)|montant (eur)|transaction amount|net amount|quantia|"
    "amount in eur|importe (eur)|importe eur|importo (eur)|amount eur|amount usd|amount gbp|amt",
    "debit": "支払い金額|출금액|출금금액|בחובה|חובה|مدين|出金|支払金額|お支払金額|výdaj|расход|terhelés|"
    "outflow|spent|money spent|expense|expenses|"
    "ut fra konto|uttak|beløp ut|ut på konto|debit|debits|debit amount|money out|paid out|withdrawal|"
    "withdrawals|withdrawal amt.|withdrawal amount|"
    "soll|débit|debit eur|dare|addebiti|uscite|cargo|cargos|débito|belastung|lastschrift|af|paid out (gbp)|"
    "withdrawal (dr)|debit (dr)|outgoing|out|ausgaben|ut|funds out",
    "credit": "預かり金額|입금액|입금금액|בזכות|זכות|دائن|入金|預入金額|お預り金額|příjem|приход|jóváírás|"
    "inflow|received|money received|income|"
    "inn på konto|innskudd|beløp inn|credit|credits|credit amount|money in|paid in|deposit|deposits|"
    "deposit amt.|deposit amount|haben|"
    "crédit|credit eur|avere|accrediti|entrate|abono|abonos|crédito|gutschrift|bij|paid in (gbp)|deposit (cr)|"
    "credit (cr)|incoming|in|einnahmen|inn|funds in",
    "type": "debit/credit|dr/cr|cr/dr|credit/debit|soll/haben|af bij|af/bij|s/h|d/c|c/d|+/-|debit credit indicator|"
    "dr cr|cr dr|debit or credit|credit debit indicator|sens|sentido|收/支",
    "balance": "saldo contabilístico|saldo po transakcji|取引後残高(円)|差引残高|거래 후 잔액|היתרה|יתרה|الرصيد|"
    "bokfört saldo|υπόλοιπο|"
    "saldo nach buchung|kontostand nach buchung|running total|resulting balance|balance after|"
    "残高|saldo konta|bakiye|zůstatek|zostatok|остаток|egyenleg|"
    "balance|running balance|closing balance|saldo|kontostand|solde|running bal.|saldo (eur)|saldo na trn|"
    "saldo disponible|balance (eur)|available balance|saldo po operacji|saldo na mutatie|account balance",
    "currency": "devies|waluta rachunku|valuutta|para birimi|měna|mena|валюта|валюта операции|monedă|devizanem|货币|"
    "valutacode|munteenheid|devise du compte|pénznem|valiuta|valūta|valuuta|currency code|account currency|"
    "monn.|monnaie|whrg|whrg.|currency|währung|waehrung|devise|moneda|divisa|"
    "valuta code|munt|muntsoort|waluta|"
    "ccy|moeda|valutakod|valuta rekening|měna účtu",
    "description": "label|利用店名・商品名|"
    "opis transakcji|szczegóły transakcji|označení operace|selitys|otsikko|beschrijving|"
    "detalii tranzactie|detalii tranzacție|libelle court|libelle operation|商品说明|"
    "摘要内容|入出金内容|내용|תיאור|الوصف|αιτιολογία|περιγραφή|opis operacji|title|"
    "selite|viesti|aç\u0131klama|popis|poznámka|описание|назначение платежа|descriere|detalii|"
    "közlemény|lançamento|historico|histórico|摘要|備考|"
    "description|description 1|description 2|description 3|description1|description2|description3|"
    "beschreibung|beschreibung 1|beschreibung 2|beschreibung 3|beschreibung1|beschreibung2|beschreibung3|desc|"
    "details|narrative|narration|memo|particulars|transaction description|text|"
    "verwendungszweck|buchungstext|libellé|libelle|concepto|descripción|descripcion|"
    "descrizione|causale|omschrijving|"
    "mededelingen|mededeling|descrição|descricao|opis|tytuł|remarks|reference text|transaction details|betreff|"
    "purpose|payment reference|beskrivning|beskrivelse|forklaring|rubrik|titel|tekst|transaction remarks|comments",
    "counterparty": "tegenrekeninghouder|nimi|název protiúčtu|交易对方|kontrahent|nazwa kontrahenta|dane kontrahenta|"
    "naam tegenpartij bevat|name zahlungsbeteiligter|"
    "saaja|saaja/maksaja|maksaja|al\u0131c\u0131|protistrana|partner|получатель|контрагент|"
    "beneficiar|kedvezményezett|"
    "payee|name|counterparty|counter party|merchant|merchant name|beneficiary|empfänger|"
    "auftraggeber/empfänger|zahlungsempfänger|begünstigter|auftraggeber|beguenstigter/zahlungspflichtiger|"
    "bénéficiaire|beneficiario|tegenpartij|naam tegenpartij|naam|naam / omschrijving|partner name|nadawca/odbiorca|"
    "begünstigter / auftraggeber|beneficiário|název protistrany",
    "counterparty_account": "tegenrekeningnummer|"
    "rachunek kontrahenta|numer rachunku kontrahenta|nr rachunku kontrahenta|"
    "iban zahlungsbeteiligter|"
    "counterparty account|partner iban|tegenrekening|iban|kontonummer/iban|account number to",
    "account": "iban auftragskonto|rachunek|"
    "produit|produkt|prodotto|bewertungskonto|account|account number|konto|kontonummer|"
    "auftragskonto|auftraggeberkonto|iban auftraggeberkonto|iban/bban|rekening|"
    "rekeningnummer|compte|cuenta|conto|account no|"
    "iban kontoinhaber|eigene iban|account iban",
    "status": "交易状态|статус|durum|stav|当前状态|"
    "status|state|transaction status|payment status|zustand|statut|stato|estado|état|etat|buchungsstatus",
    "reference": "reference|ref|ref no|ref no.|reference number|cheque no|cheque no.|chq no|check number|"
    "kundenreferenz",
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split("|")}
_NAMED_ROLES = frozenset(_WORDS) - {"description"} | {"transaction_date", "id", "fee"}
_FIELDS = {"currency": "currency_column"}
"""Fields of a profile that are called otherwise than the role of their column."""
ROLES = (*sorted(_NAMED_ROLES), "description", "ignore")
# A more special name of the same meaning counts before them.
_WEAK = frozenset({"name", "naam", "transaktionsdag", "data transakcji"})
_BASE, _EACH, _MOST = 0.5, 0.08, 0.8
_DAY_FIRST = frozenset(
    {
        "datum",
        "buchungstag",
        "buchungsdatum",
        "valuta",
        "valutadatum",
        "wertstellung",
        "betrag",
        "umsatz",
        "verwendungszweck",
        "fecha",
        "importe",
        "concepto",
        "data",
        "importo",
        "causale",
        "descrizione",
        "bedrag",
        "omschrijving",
        "boekdatum",
        "libellé",
        "libelle",
        "montant",
        "débit",
        "crédit",
        "kwota",
        "opis",
        "belopp",
        "beløb",
        "dato",
        "saldo",
        "descrição",
        "valor",
        "narration",
        "narrative",
    }
)


def day_first_word(header: Sequence[str]) -> str | None:
    """Return a word of the header that only languages and countries use that write the day before the month."""
    return next((cell for cell in header if cell.split("#")[0] in _DAY_FIRST), None)


def _role(cell: str) -> str | None:
    """Return what a header cell means; a currency or remark behind it is not looked at."""
    name = plain(cell).replace("_", " ").lstrip("# ")
    if (side := _SIDE.fullmatch(name)) is not None and _ROLES.get(side[1]) in {"debit", "credit"}:
        return _ROLES[side[1]]
    before, _, last = name.rpartition(" ")
    without_currency = before.removesuffix(" in") if names_currency(last) else name
    without_remark = _REMARK.sub("", name) if len(name) <= _LONGEST_NAME else name
    return next(
        (_ROLES[one] for one in (name, without_remark, name.rstrip(".:*"), without_currency) if one in _ROLES), None
    )


def named_roles(header: Sequence[str]) -> dict[str, str]:
    """Return what the names of columns say that they hold, by column: of each meaning but text the first one."""
    roles: dict[str, str] = {}
    for cell in header:
        role = _role(cell)
        if role is not None and (role == "description" or role not in roles.values()):
            roles[cell] = role
    return roles


_LONGEST_NAME = 200
"""Of a column whose remark is looked for: a search takes as long as the square of the length."""

_SIDE = re.compile(r"amount\s*[\[(]([^)\]]{1,20})[)\]]")
_REMARK = re.compile(r"\s*[\[(][^)\]]*[)\]]\s*$")


def guess_profile(header: Sequence[str], stated: Mapping[str, str] | None = None) -> tuple[Profile, float] | None:
    """Make a profile of a header's words and say how far to trust it, 0.5 to 0.8; None for no words known.

    The first column of a meaning counts; all columns of text are joined.

    Args:
        header: Column names as they are compared.
        stated: Columns whose meaning a person states, as name to role; role `ignore` for a column that is not read.
    """
    stated = stated or {}
    roles: dict[str, str] = {role: cell for cell, role in stated.items() if cell in header and role in _NAMED_ROLES}
    texts: list[str] = []
    for cell in header:
        role = stated.get(cell) or _role(cell)
        if role == "description":
            texts.append(cell)
        elif role is not None and role != "ignore":
            if roles.get(role) in _WEAK and cell not in _WEAK and roles[role] not in stated:
                roles[role] = cell
            roles.setdefault(role, cell)
    split = "debit" in roles and "credit" in roles
    if "date" not in roles and "value_date" in roles:
        roles["date"] = roles.pop("value_date")
    if "date" not in roles or not (split or "amount" in roles):
        return None
    known = len(roles) + len(texts)
    confidence = min(_MOST, _BASE + _EACH * max(0, known - 2))
    return _profile(roles, tuple(texts), split=split and "amount" not in roles), round(confidence, 2)


def _profile(roles: dict[str, str], texts: tuple[str, ...], *, split: bool) -> Profile:
    unread = {"status", "amount", "type"} if split else {"status", "debit", "credit"}
    columns: dict[str, Any] = {_FIELDS.get(role, role): cell for role, cell in roles.items() if role not in unread}
    typed = "type" in columns
    status = roles.get("status", "")
    states: dict[State, Words] = state_values(status) if status else {"pending": (), "void": (), "booked": ()}
    return Profile(
        name="guessed",
        title="Statement file",
        match=tuple(roles.values()),
        **columns,
        debit_words=OUT_WORDS if typed else (),
        credit_words=IN_WORDS if typed else (),
        description=texts,
        pending={status: states["pending"]} if states["pending"] else {},
        skip={status: states["void"]} if states["void"] else {},
        booked={status: states["booked"]} if states["booked"] else {},
    )
