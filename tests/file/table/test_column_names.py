"""Headers of banks in their own words: what the columns hold follows from the names."""

import pytest

BANKS = {
    "BNP": "Date operation;Libelle court;Type operation;Libelle operation;Montant operation en euro\n"
    "15/01/2026;CARTE;FACTURE;SHOP;-10,50\n16/01/2026;VIR;VIREMENT;PAY;20,00\n",
    "Belfius": "Rekening;Boekingsdatum;Naam tegenpartij bevat;Valutadatum;Bedrag;Devies;Mededelingen\n"
    "BE68 5390 0754 7034;15/01/2026;AH;15/01/2026;-10,50;EUR;\n"
    "BE68 5390 0754 7034;16/01/2026;X;16/01/2026;20,00;EUR;\n",
    "CGD": "Data mov. ;Data valor ;Descrição ;Débito ;Crédito ;Saldo contabilístico ;Saldo disponível ;\n"
    "16-01-2026;16-01-2026;PAY;;20,00;1.009,50;1.009,50;\n15-01-2026;15-01-2026;SHOP;10,50;;989,50;989,50;\n",
    "Handelsbanken": "Reskontradatum;Transaktionsdatum;Text;Belopp;Saldo\n"
    "2026-01-16;2026-01-16;PAY;20,00;1 009,50\n2026-01-15;2026-01-15;ICA;-10,50;989,50\n",
    "OP": "Kirjauspäivä;Arvopäivä;Määrä EUROA;Laji;Selitys;Saaja/Maksaja;Viite;Viesti\n"
    "2026-01-15;2026-01-15;-10,50;162;PKORTTI;K;;\n2026-01-16;2026-01-16;20,00;506;PALKKA;P;;\n",
    "Air Bank": "Datum provedení;Směr úhrady;Měna účtu;Částka v měně účtu;Název protistrany;Poznámka\n"
    "15/01/2026;Odchozí;CZK;-10,50;Albert;\n16/01/2026;Příchozí;CZK;20,00;Šéf;\n",
    "PKO": "Data operacji;Data waluty;Typ transakcji;Kwota;Waluta;Saldo po transakcji;Opis transakcji\n"
    "2026-01-16;2026-01-16;Przelew;+20.00;PLN;+1009.50;Tytuł: x\n"
    "2026-01-15;2026-01-15;Karta;-10.50;PLN;+989.50;Tytuł: y\n",
    "ING Poland": "Data transakcji;Data księgowania;Opis transakcji;Kwota;Waluta\n"
    "2026-01-13;2026-01-15;x;-10,50;PLN\n2026-01-14;2026-01-16;y;20,00;PLN\n",
    "ING Romania": "Data;Detalii tranzactie;Debit;Credit\n"
    "15 ianuarie 2026;Cumparare POS;10,50;\n16 ianuarie 2026;Incasare;;20,00\n",
    "Alipay": "交易时间,交易对方,商品说明,收/支,金额,交易状态\n"
    "2026-01-15 10:00:00,店,午饭,支出,10.50,交易成功\n"
    "2026-01-16 10:00:00,张,还款,收入,20.00,交易成功\n"
    "2026-01-17 10:00:00,张,还款,收入,99.00,交易关闭\n",
    "Kakao": "거래일시,구분,거래금액,거래 후 잔액,내용\n"
    "2026.01.15 10:00:00,출금,-10.50,989.50,편의점\n2026.01.16 10:00:00,입금,20.00,1009.50,급여\n",
    "Rajhi": "التاريخ,الوصف,مدين,دائن,الرصيد\n15/01/2026,متجر,10.50,,989.50\n16/01/2026,راتب,,20.00,1009.50\n",
}


@pytest.mark.parametrize("bank", BANKS)
def test_a_bank_names_its_columns_in_its_own_words(reading, bank):
    found = reading(BANKS[bank])
    assert sorted((row.booking_on or row.booking_at.date()).day for row in found.rows) == [15, 16]
    assert sorted(map(str, found.amounts)) == ["-10.50", "20.00"]
    assert not found.rejected
