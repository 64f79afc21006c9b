"""The programs of docs/PATTERNS.md run, and print what the page says."""

import re
from pathlib import Path

import pytest

from conftest import Run

PAGE = (Path(__file__).parents[2] / "docs" / "PATTERNS.md").read_text()
PROGRAM = re.compile(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.M | re.S)
PATTERNS = PROGRAM.findall(PAGE)


def test_each_section_of_the_page_has_a_program() -> None:
    assert [title for title, _, _ in PATTERNS] == re.findall(r"^## (.*)$", PAGE, re.M)
    assert len(PATTERNS) >= 6


@pytest.mark.parametrize(("program", "output"), [row[1:] for row in PATTERNS], ids=[row[0] for row in PATTERNS])
def test_the_program_prints_what_the_page_says(python: Run, address: str, program: str, output: str) -> None:
    assert program.count('"localhost:8980"') == 1
    # A busy machine is not a failure.
    ran = python(program.replace('"localhost:8980"', f"{address!r}, timeout=60"))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, output, "")
