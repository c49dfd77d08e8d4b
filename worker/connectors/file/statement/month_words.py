"""Knows which month a word names, and decides over a file what words mean that name two. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from worker.connectors.file.statement.errors import StatementError

_MONTHS = {
    "English": "jan january|feb february|mar march|apr april|may|jun june|jul july|aug august|sep sept september|"
    "oct october|nov november|dec december",
    "German": "januar|februar|märz maerz mär mrz|april|mai|juni|juli|august|september|oktober okt|november|"
    "dezember dez",
    "French": "janvier janv|février fevrier févr fevr|mars|avril avr|mai|juin|juillet juil|août aout|septembre|"
    "octobre|novembre|décembre decembre déc",
    "Spanish": "enero ene|febrero|marzo|abril abr|mayo|junio|julio|agosto ago|septiembre set|octubre|noviembre|"
    "diciembre dic",
    "Portuguese": "janeiro|fevereiro fev|março|abril abr|maio|junho|julho|agosto ago|setembro set|outubro out|"
    "novembro|dezembro dez",
    "Italian": "gennaio gen|febbraio|marzo|aprile|maggio mag|giugno giu|luglio lug|agosto ago|settembre set|"
    "ottobre ott|novembre|dicembre dic",
    "Dutch": "januari|februari|maart mrt|april|mei|juni|juli|augustus|september|oktober okt|november|december",
    "Swedish": "januari|februari|mars|april|maj|juni|juli|augusti|september|oktober okt|november|december",
    "Danish and Norwegian": "januar|februar|marts mars mart|april|maj mai|juni|juli|august|september|oktober okt|"
    "november|december desember des",
    "Romanian": "ianuarie ian|februarie|martie|aprilie|mai|iunie iun|iulie iul|august|septembrie|octombrie|"
    "noiembrie noi|decembrie",
    "Turkish": "ocak oca|şubat şub|mart|nisan nis|may\u0131s|haziran haz|temmuz tem|ağustos ağu|eylül eyl|ekim eki|"
    "kas\u0131m kas|aral\u0131k ara",
    "Finnish": "tammikuuta tammi|helmikuuta helmi|maaliskuuta maalis|huhtikuuta huhti|toukokuuta touko|"
    "kesäkuuta kesä|heinäkuuta heinä|elokuuta elo|syyskuuta syys|lokakuuta loka|marraskuuta marras|joulukuuta joulu",
    "Polish": "stycznia styczeń sty|lutego luty lut|marca marzec|kwietnia kwiecień kwi|maja maj|"
    "czerwca czerwiec cze|lipca lipiec lip|sierpnia sierpień sie|września wrzesień wrz|października październik paź|"
    "listopada listopad lis|grudnia grudzień gru",
    "Czech": "ledna leden led|února únor úno|března březen bře|dubna duben dub|května květen kvě|června červen čvn|"
    "července červenec čvc|srpna srpen srp|září zář|října říjen říj|listopad lis|prosince prosinec pro",
    "Croatian": "siječnja siječanj sij|veljače veljača velj|ožujka ožujak ožu|travnja travanj tra|"
    "svibnja svibanj svi|lipnja lipanj lip|srpnja srpanj srp|kolovoza kolovoz kol|rujna rujan ruj|"
    "listopada listopad lis|studenoga studenog studeni stu|prosinca prosinac pro",
}
"""The words of each language for January to December, those of one month with a blank between."""
_BY_LANGUAGE = {
    language: {word: number for number, words in enumerate(months.split("|"), start=1) for word in words.split()}
    for language, months in _MONTHS.items()
}
_ENGLISH = {number: word for word, number in reversed(_BY_LANGUAGE["English"].items())}
_CROATIAN, _POLISH_OR_CZECH = _BY_LANGUAGE.pop("Croatian"), _BY_LANGUAGE.pop("Polish") | _BY_LANGUAGE.pop("Czech")
_OF_OTHERS = {word: number for words in _BY_LANGUAGE.values() for word, number in words.items()}
_MONTH_OF = {**_CROATIAN, **_POLISH_OR_CZECH, **_OF_OTHERS}
# Words that name another month in Croatian than in Polish and Czech, with an English word for the Croatian month.
_OTHERWISE_CROATIAN = {word: _ENGLISH[number] for word, number in _CROATIAN.items() if _MONTH_OF[word] != number}
_CROATIAN_ONLY = _CROATIAN.keys() - _POLISH_OR_CZECH.keys() - _OF_OTHERS.keys()
_POLISH_OR_CZECH_ONLY = _POLISH_OR_CZECH.keys() - _CROATIAN.keys() - _OF_OTHERS.keys() - {"maja"}  # Slovene, too
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
    return _WORD.sub(lambda word: _OTHERWISE_CROATIAN.get(word[0].casefold(), word[0]), text)


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
            fits: Whether it is a day of the calendar in Polish or Czech.
            fits_croatian: Whether it is one in Croatian.
        """
        words = {word.casefold() for word in _WORD.findall(text)}
        if words & _OTHERWISE_CROATIAN.keys():
            self.unclear = self.unclear or text
            self.croatian = self.croatian or not fits
            self.other = self.other or not fits_croatian
        self.croatian = self.croatian or bool(words & _CROATIAN_ONLY)
        self.other = self.other or bool(words & _POLISH_OR_CZECH_ONLY)

    def are_croatian(self, header: Sequence[str] = ()) -> bool:
        """Decide whether the months are Croatian: by the other days of the file, else by the names of its columns.

        Raises: StatementError where a month has two meanings and nothing decides.
        """
        if self.unclear is None:
            return False
        if self.croatian != self.other:
            return self.croatian
        names = " ".join(header).casefold()
        croatian, other = (bool(one.search(names)) for one in (_CROATIAN_HEADING, _POLISH_OR_CZECH_HEADING))
        if croatian != other:
            return croatian
        raise StatementError(
            f"the month of '{self.unclear[:30]}' is another one in Croatian than in Polish and Czech, and nothing"
            " else in the file tells the language: write the days in figures, such as 2026-01-31"
        )
