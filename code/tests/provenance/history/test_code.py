"""Whether two versions of a Python file say the same."""

import pytest

from cordstudy.provenance.history.code import LARGEST, says_the_same

BEFORE = b'''\
"""A module."""

import math

RADIUS = 2.0
"""Of the circle."""


class Circle:
    """A circle."""


def area(radius: float = RADIUS) -> float:
    """Its area."""
    if radius:
        "nothing"
        return math.pi * radius**2
    return 0.0
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"import math", b"import math  # the library's"),
        (b'"""A module."""', b'"""Another module."""'),
        (b'"""A module."""\n', b""),
        (b'"""A circle."""', b"'A round thing.'"),
        (b'"""Its area."""', b'"""Its\n    area.\n    """'),
        (b'"""Of the circle."""', b""),
        (b'"nothing"', b'"something"'),
        (b"radius: float = RADIUS", b"\n    radius: float = RADIUS,\n"),
        (b"math.pi * radius**2", b"(math.pi * radius ** 2)"),
        (b"    return 0.0\n", b"\n\n    return 0.0"),
        (b"\n", b"\r\n"),
        (b"2.0", b"2.00"),
    ],
)
def test_comments_docstrings_and_layout_say_nothing(old, new):
    assert old in BEFORE
    assert says_the_same(BEFORE, BEFORE.replace(old, new))
    assert says_the_same(BEFORE.replace(old, new), BEFORE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"2.0", b"2.5"),
        (b"2.0", b"2"),
        (b"radius**2", b"radius*2"),
        (b"    return 0.0", b"        return 0.0"),
        (b"    return 0.0\n", b""),
        (b": float =", b" ="),
        (b"import math", b"import math, os"),
        (b"def area", b"@cache\ndef area"),
        (b'"nothing"', b'f"{print(1)}"'),
        (b'"nothing"', b'b"nothing"'),
        (b"return 0.0", b'return "0.0"'),
        (b"RADIUS = 2.0", b'RADIUS = "2.0"'),
    ],
)
def test_what_a_program_does_is_said_by_its_code(old, new):
    assert old in BEFORE
    replaced = BEFORE.replace(old, new, 1)
    assert not says_the_same(BEFORE, replaced)
    assert not says_the_same(replaced, BEFORE)


@pytest.mark.parametrize(
    "mention",
    [
        b"print(area.__doc__)",
        b"print(__doc__)",
        b"print(getattr(area, '__doc__'))",
        b"print(getattr(area, '__do' 'c__'))",
        b"print(vars(area)['__doc__'])",
        "print(__ｄoc__)".encode(),
    ],
)
def test_a_module_that_speaks_of_its_docstrings_keeps_them(mention):
    content = BEFORE + mention
    assert not says_the_same(content, content.replace(b"Its area.", b"Another area."))
    assert says_the_same(content, content.replace(b"import math", b"import math  # more"))


def test_what_runs_a_file_counts():
    assert not says_the_same(b"#!/usr/bin/python2\nx = 1\n", b"#!/usr/bin/python3\nx = 1\n")
    assert says_the_same(b"# python2\nx = 1\n", b"# python3\nx = 1\n")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"print 'Python 2'  # a", b"print 'Python 2'  # b"),
        (b"x = 1\0# a", b"x = 1\0# b"),
        (b"# -*- coding: none -*-\nx = 1", b"# -*- coding: none -*-\nx = 1 # b"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe4'", b"# -*- coding: cp437 -*-\nx = '\xe4'"),
        (b"x = '\xff' # a", b"x = '\xff' # b"),
        (b"x = " + b"(" * 10_000, b"x = " + b"(" * 10_000 + b" # b"),
        (b"x = 1" + b" + 1" * 50_000, b"x = 1" + b" + 1" * 50_000 + b" # b"),
        (b"x = " + b"9" * 10_000, b"x = " + b"9" * 10_000 + b" # b"),
        (b"x = 0x" + b"9" * 10_000, b"x = 0x" + b"9" * 10_000 + b" # b"),
        (b"#" * LARGEST + b" a", b"#" * LARGEST + b" b"),
    ],
    ids=lambda content: content[:24],
)
def test_what_cannot_be_read_as_code_is_compared_as_it_is(one, other):
    assert not says_the_same(one, other) and says_the_same(one, bytes(one))


def test_odd_escapes_are_read_without_a_word(recwarn):
    assert says_the_same(rb"x = '\d'", rb"x = '\d'  # a digit")
    assert list(recwarn) == []
