"""Decides about OFX records that correct or delete another record, and about the records that they correct. Pure."""

from collections.abc import Collection, Mapping

_SHOWN_CHARACTERS = 40


def why_left_out(values: Mapping[str, str], corrected: Collection[str]) -> str | None:
    """Return why a record is no payment any more: another one corrects it, or it only deletes another.

    Args:
        corrected: Ids of records of the file that other records of it correct or delete.
    """
    if values.get("FITID") in corrected and values.get("CORRECTFITID") != values.get("FITID"):
        return "a record that another one of the file corrects"
    deletes = values.get("CORRECTACTION", "").upper() == "DELETE"
    return "a record that deletes another one" if deletes and values.get("CORRECTFITID") in corrected else None


def why_rejected(values: Mapping[str, str], corrected: Collection[str]) -> str | None:
    """Return what to do about a correction of a record that the file does not hold; None where it is none."""
    number = values.get("CORRECTFITID")
    if not number or number in corrected:
        return None
    action = values.get("CORRECTACTION", "correct").lower()
    shown = number[:_SHOWN_CHARACTERS]
    return f"{action}s record {shown}, which is not in this file: change the imported one by hand"
