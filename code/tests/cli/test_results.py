"""The table of results: that of HEAD, with a warning where no record made it."""

from helpers import commit, git, study

SUMMARY = "derivatives/tiny/evaluation/summary.tsv"
ESCAPE = "\x1b[31m\u202e"


def test_results_are_those_of_head_and_warn_where_no_record_made_them(tiny_copy):
    honest = study(tiny_copy, "--study", "tiny", "results")
    assert "warning" not in honest.stderr and "Mean Dice" in honest.stdout
    shallow = tiny_copy.parent / "shallow"
    git(tiny_copy, "clone", "-q", "--depth", "1", f"file://{tiny_copy}", shallow)
    told = study(shallow, "--study", "tiny", "results")
    assert (
        "shallow clone" in told.stderr
        and told.stdout.replace(str(shallow), str(tiny_copy)) == honest.stdout
    )
    path = tiny_copy / SUMMARY
    path.write_text(path.read_text().replace("general", "genuine"))
    assert study(tiny_copy, "--study", "tiny", "results").stdout == honest.stdout, "of HEAD"
    commit(tiny_copy, f"docs: tidy\x02{ESCAPE}", SUMMARY)
    told = study(tiny_copy, "--study", "tiny", "results")
    assert (
        "warning: " in told.stderr
        and "no record made these numbers" in told.stderr
        and "genuine" in told.stdout
    )
    git(tiny_copy, "replace", "HEAD", "HEAD~1")
    assert "genuine" in study(tiny_copy, "--study", "tiny", "results").stdout, "no replacement"
    for question in (
        "audit --all",
        f"audit {SUMMARY}",
        f"audit {SUMMARY} --format json",
        "status --json",
        "status",
        "results",
    ):
        asked = study(tiny_copy, "--study", "tiny", *question.split(), check=False)
        assert "Traceback" not in asked.stderr and not {*ESCAPE[:1], "\u202e", "\x02"} & {
            *asked.stdout,
            *asked.stderr,
        }
    git(tiny_copy, "replace", "-d", git(tiny_copy, "rev-parse", "HEAD"))
    git(tiny_copy, "rm", "-q", SUMMARY)
    git(tiny_copy, "commit", "-q", "-m", "chore: remove")
    gone = study(tiny_copy, "--study", "tiny", "results", check=False)
    assert gone.returncode == 1 and gone.stderr.startswith(f"error: there is no {SUMMARY}")
