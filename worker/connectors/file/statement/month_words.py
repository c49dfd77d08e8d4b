"""Knows which month a word names, and decides over a file what words mean that name two. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MONTHS = (
    (
        "ianuarie ian "
        "jan january januar januari janvier janv enero ene janeiro gennaio gen stycznia styczeń sty ledna leden led "
        "ocak oca january tammikuuta tammi siječnja siječanj sij"
    ),
    (
        "februarie "
        "feb february februar februari février fevrier févr fevr febrero fevereiro fev febbraio lutego luty lut února "
        "únor úno şubat şub helmikuuta helmi veljače veljača velj"
    ),
    (
        "martie "
        "mar march märz maerz mär mrz maart mrt mars marzo março marca marzec března březen bře mart marts maaliskuuta "
        "maalis ožujka ožujak ožu"
    ),
    (
        "aprilie "
        "apr april avril avr abril abr aprile kwietnia kwiecień kwi dubna duben dub nisan nis huhtikuuta huhti "
        "travnja travanj tra"
    ),
    "may mai mei mayo maio maggio mag maja maj května květen kvě may\u0131s toukokuuta touko svibnja svibanj svi",
    (
        "iunie iun "
        "jun june juni juin junio junho giugno giu czerwca czerwiec cze června červen čvn haziran haz kesäkuuta kesä "
        "lipnja lipanj"
    ),
    (
        "iulie iul "
        "jul july juli juillet juil julio julho luglio lug lipca lipiec lip července červenec čvc temmuz tem "
        "heinäkuuta heinä srpnja srpanj"
    ),
    (
        "aug august augustus augusti août aout agosto ago sierpnia sierpień sie srpna srpen srp ağustos ağu elokuuta "
        "elo kolovoza kolovoz kol"
    ),
    (
        "septembrie "
        "sep sept september septembre septiembre setembro set settembre września wrzesień wrz září zář eylül eyl "
        "syyskuuta syys rujna rujan ruj"
    ),
    (
        "octombrie "
        "oct october oktober okt octobre octubre outubro out ottobre ott października październik paź října říjen říj "
        "ekim eki lokakuuta loka"
    ),
    (
        "noiembrie noi "
        "nov november novembre noviembre novembro listopada listopad lis kas\u0131m kas marraskuuta marras studenoga "
        "studenog studeni stu"
    ),
    (
        "decembrie "
        "dec december dezember dez décembre decembre déc diciembre dic dezembro dicembre des desember grudnia grudzień "
        "gru prosince prosinec pro aral\u0131k ara joulukuuta joulu prosinca prosinac"
    ),
)
_MONTH_OF = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split()}
# Words that name another month in Croatian than in Polish and Czech, with an English word for the Croatian month.
_CROATIAN = {"listopada": "oct", "listopad": "oct", "lis": "oct", "lip": "jun", "srp": "jul"}
_CROATIAN_ONLY_NAMES = (
    "siječnja siječanj sij veljače veljača velj ožujka ožujak ožu travnja travanj tra svibnja svibanj svi lipnja lipanj"
    " srpnja srpanj kolovoza kolovoz kol rujna rujan ruj studenoga studenog studeni stu prosinca prosinac"
)
_CROATIAN_ONLY = frozenset(_CROATIAN_ONLY_NAMES.split())
_POLISH_OR_CZECH_ONLY_NAMES = (
    "stycznia styczeń sty ledna leden led lutego luty lut února únor úno marca marzec března březen bře kwietnia"
    " kwiecień kwi dubna duben dub května květen kvě czerwca czerwiec cze června červen čvn lipca lipiec července"
    " červenec čvc sierpnia sierpień sie srpna srpen września wrzesień wrz září zář października październik paź října"
    " říjen říj grudnia grudzień gru prosince prosinec"
)
_POLISH_OR_CZECH_ONLY = frozenset(_POLISH_OR_CZECH_ONLY_NAMES.split())
_CROATIAN_HEADING = re.compile(r"\b(?:iznos|uplata|isplata|stanje|primatelj|platitelj)")
_POLISH_OR_CZECH_HEADING = re.compile(
    r"\b(?:kwota|waluta|data|tytuł|nadawca|odbiorca|částka|castka|měna|objem|zůstatek)"
)
_WORD = re.compile(r"[^\W\d_]+")


def month_number(word: str) -> int | None:
    """Return which month a word names in one of seventeen languages; None where it names none."""
    return _MONTH_OF.get(word.casefold())


def in_croatian(text: str) -> str:
    """Return a day with the words that Croatian has for other months than Polish and Czech in English."""
    return _WORD.sub(lambda word: _CROATIAN.get(word[0].casefold(), word[0]), text)


@dataclass(slots=True)
class MonthWords:
    """What the days of a file show about the language of their months.

    Attributes:
        unclear: The first day whose month has two meanings.
        croatian: Whether a day can be Croatian only.
        other: Whether a day can be Polish or Czech only.
    """

    unclear: str | None = None
    croatian: bool = False
    other: bool = False

    def see(self, text: str, *, fits: bool, fits_croatian: bool) -> None:
        """Take note of a day.

        Args:
            text: The day.
            fits: Whether it is a day of the calendar in Polish or Czech.
            fits_croatian: Whether it is one in Croatian.
        """
        words = {word.casefold() for word in _WORD.findall(text)}
        if words & _CROATIAN.keys():
            self.unclear = self.unclear or text
            self.croatian = self.croatian or not fits
            self.other = self.other or not fits_croatian
        self.croatian = self.croatian or bool(words & _CROATIAN_ONLY)
        self.other = self.other or bool(words & _POLISH_OR_CZECH_ONLY)

    def are_croatian(self, header: Sequence[str]) -> bool:
        """Decide whether the months are Croatian: by the other days of the file, else by the names of its columns.

        Raises: ValueError where a month has two meanings and nothing decides.
        """
        if self.unclear is None:
            return False
        if self.croatian != self.other:
            return self.croatian
        names = " ".join(header).casefold()
        croatian, other = (bool(one.search(names)) for one in (_CROATIAN_HEADING, _POLISH_OR_CZECH_HEADING))
        if croatian != other:
            return croatian
        raise ValueError(
            f"the month of '{self.unclear[:30]}' is another one in Croatian than in Polish and Czech, and nothing"
            " else in the file tells the language: write the days in figures, such as 2026-01-31"
        )
