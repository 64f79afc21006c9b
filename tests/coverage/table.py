"""Prints the line coverage of each crate, from an lcov file on standard input.

A line counts as covered if any process ran it. Test code and generated code are excluded.
"""

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

Lines = dict[int, bool]

MARK = 80
ROOT = Path(__file__).resolve().parents[2]
# The tests are the last module of a file.
TESTS = re.compile(r"^#\[cfg\(test\)\]\n(?:#.*\n)*mod tests \{", re.MULTILINE)


def crate(path: Path) -> str | None:
    """The crate that the file belongs to, unless it is test code or generated."""
    if (
        {"tests", "generated"} & set(path.parts)
        or path.stem == "tests"
        or path.stem.endswith("_tests")
        or path.name == "build.rs"
    ):
        return None
    match path.parts:
        case ["crates", name, "src", *_]:
            return name
        case ["bindings", "python", "src", *_]:
            return "bindings/python"
        case ["bench" | "examples" as name, *_]:
            return name
    return None


def lines_of_code(path: Path) -> int:
    """The number of lines before the tests."""
    text = path.read_text()
    tests = TESTS.search(text)
    return text.count("\n", 0, tests.start()) if tests else text.count("\n") + 1


def read(lcov: Iterable[str]) -> dict[str, dict[Path, Lines]]:
    """Whether each line ran, by crate, file and line number."""
    crates: dict[str, dict[Path, Lines]] = defaultdict(dict)
    lines: Lines = {}
    last = 0
    for record in lcov:
        kind, _, value = record.rstrip("\n").partition(":")
        if kind == "SF":
            lines, last = {}, 0
            file = Path(value)
            if file.is_relative_to(ROOT) and (name := crate(file.relative_to(ROOT))):
                lines, last = crates[name].setdefault(file.relative_to(ROOT), {}), lines_of_code(file)
        elif kind == "DA":
            number, count = map(int, value.split(",")[:2])
            if number <= last:
                lines[number] = count > 0
    return crates


def percent(covered: int, lines: int) -> str:
    return f"{100 * covered / lines:.1f} %"


def spans(lines: list[int]) -> str:
    """Line numbers, with consecutive ones as spans."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def print_row(name: str, ran: list[bool]) -> None:
    print(f"| {name} | {len(ran)} | {sum(ran)} | {percent(sum(ran), len(ran))} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    listed = f"also list the files below {MARK} %%, with the lines that no test runs"
    parser.add_argument("--files", action="store_true", help=listed)
    arguments = parser.parse_args()
    crates = read(sys.stdin)
    print("| crate | lines | covered | coverage |\n|---|--:|--:|--:|")
    for name, files in sorted(crates.items()):
        print_row(f"`{name}`", [ran for lines in files.values() for ran in lines.values()])
    files = {path: lines for files in crates.values() for path, lines in files.items()}
    print_row("all", [ran for lines in files.values() for ran in lines.values()])
    for path, lines in sorted(files.items()):
        covered = sum(lines.values())
        if arguments.files and 100 * covered < MARK * len(lines):
            missed = spans(sorted(line for line, ran in lines.items() if not ran))
            print(f"{path}: {percent(covered, len(lines))}, not {missed}")


if __name__ == "__main__":
    main()
