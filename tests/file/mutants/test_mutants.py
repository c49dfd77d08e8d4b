"""No mutant of a statement file loses a row in silence where the file itself shows it."""

import pytest

from tests.file.mutants.campaign import campaign
from tests.file.mutants.samples import SAMPLES


@pytest.mark.parametrize("sample", [sample.name for sample in SAMPLES])
def test_no_row_of_a_damaged_file_vanishes_in_silence(tmp_path, sample):
    findings = campaign(90, 1, tmp_path, sample)
    silent = [(one.mutant.kind, one.lost[0]) for one in findings if one.verdict == "silent"]
    assert findings
    assert silent == []
