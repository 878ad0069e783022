"""The examples below ``--help``: every command has some, and each is a line that the parser takes."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from ecgmon import cli
from ecgmon.commands.examples import EXAMPLES, GENERAL, epilog

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "deploy/README.md", "deploy/TUTORIAL.md")
LINES = [words for examples in [GENERAL, *EXAMPLES.values()] for _, words in examples]


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    return cli.build_parser(cli.COMMANDS)


def test_every_command_has_examples_of_its_own() -> None:
    assert EXAMPLES.keys() == cli.COMMANDS.keys()
    for command, examples in EXAMPLES.items():
        assert all(words.split()[0] == command for _, words in examples)


@pytest.mark.parametrize("words", LINES)
def test_the_parser_takes_an_example(parser: argparse.ArgumentParser, words: str) -> None:
    typed = shlex.split(words.partition(" > ")[0])
    args = parser.parse_args(typed)
    assert args.command == typed[0]


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_them_line_by_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.build_parser([command]).parse_args([command, "--help"])
    shown = capsys.readouterr().out
    assert shown.endswith(epilog(command) + "\n")
    description = shown.partition("\n\n")[2].partition("\n\n")[0]
    assert max(map(len, description.splitlines())) <= 80 or "\n" in description


@pytest.mark.parametrize("page", PAGES)
def test_the_parser_takes_what_a_page_tells_to_type(parser: argparse.ArgumentParser, page: str) -> None:
    blocks = re.findall(r"^```sh.*?^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.findall(r"^ecgmon (.+)$", block, re.MULTILINE)]
    assert lines
    for line in lines:
        typed = shlex.split(line, comments=True)
        assert parser.parse_args(typed).command == typed[0], line
