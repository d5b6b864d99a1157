"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_files() -> Path:
    """The folder of real bank files and lists, which is not part of the project."""
    folder = Path(os.environ.get("RINGFENCE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the folder of real files {folder} is missing; set RINGFENCE_DATA")
    return folder
