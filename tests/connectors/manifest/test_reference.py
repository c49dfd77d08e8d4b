"""The page of manifests lists every key as the model has it."""

from pathlib import Path

from worker.connectors.manifest.reference import reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "manifest.md"


def test_the_page_has_the_keys_of_the_model():
    assert reference() in PAGE.read_text(), "run: finmind-worker connectors keys --page docs/manifest.md"
