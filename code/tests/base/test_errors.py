"""What is told of faults of the machine, and text that is safe to show."""

import errno
import os

import pytest

from cordstudy.base import errors
from cordstudy.base.errors import StudyError, indented, inline, machine_fault


def test_text_of_others_cannot_steer_a_terminal_or_pass_for_a_line_of_ours():
    assert inline("a\x1b[2Jb\nhint: c\td") == "a\\x1b[2Jb\\nhint: c\\td"
    assert indented("a\nerror: b\n  c") == "a\n  error: b\n  c"
    assert inline("\udcff\u202e") == "\\xff\\u202e"


def test_a_known_fault_tells_path_and_what_to_do_wherever_in_the_chain_it_lies():
    cause = OSError(errno.EROFS, os.strerror(errno.EROFS), "/disk/file")
    error = RuntimeError("h5py failed")
    error.__cause__ = cause
    fault = machine_fault(error, [])
    assert str(fault).startswith("/disk/file: the disk is mounted for reading only")
    assert fault.hint


def test_where_an_error_names_no_path_it_is_where_the_command_writes():
    fault = machine_fault(OSError(errno.EIO, "bad"), ["convert", "--out", "raw"])
    assert str(fault) == "raw: the disk cannot be read or written (bad)"


def test_an_error_of_a_library_on_a_full_disk_is_told_as_that(monkeypatch):
    monkeypatch.setattr(errors, "LITTLE_BYTES", 1 << 80)
    fault = machine_fault(RuntimeError("short write"), ["train", "--out", "no/such/folder"])
    assert str(fault) == "no/such/folder: the disk is full (RuntimeError)"
    assert machine_fault(KeyError("x"), []) is None


def test_other_errors_are_no_fault_of_the_machine():
    assert machine_fault(ValueError("wrong"), []) is None
    assert machine_fault(OSError(errno.ENOTEMPTY, "not empty", "/x"), []) is None


def test_no_folder_for_temporary_files_is_told_with_what_to_export():
    fault = machine_fault(FileNotFoundError("No usable temporary directory found in ['/x']"), [])
    assert isinstance(fault, StudyError) and "TMPDIR" in fault.hint


@pytest.mark.parametrize("number", errors.FAULTS)
def test_each_known_fault_has_a_hint(number):
    fault = machine_fault(OSError(number, "no", "/x"), [])
    assert fault is not None and fault.hint
