"""What is told of masks of unknown origin."""

import pytest

from cordstudy.pipeline.sources.cases import FOUND_COLUMNS, Case, of_unknown_origin


def case(dataset: str, origin: str, made_by: str = "n/a") -> Case:
    values = dict.fromkeys(FOUND_COLUMNS, "n/a")
    return Case(**values | {"dataset": dataset, "label_origin": origin, "label_made_by": made_by})


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        ([], []),
        ([case("epi", "manual", "Manual"), case("epi", "model", "sct_propseg")], []),
        (
            [case("epi", "unknown"), *[case("epi", "unknown", "foo")] * 2, case("epi", "manual")],
            [
                "3 masks of epi are of unknown origin: "
                "made by 'foo' (2), no sidecar says by whom (1)"
            ],
        ),
        (
            [case("epi", "unknown", "a; b"), case("t2", "unknown")],
            [
                "1 mask of epi is of unknown origin: made by 'a; b' (1)",
                "1 mask of t2 is of unknown origin: no sidecar says by whom (1)",
            ],
        ),
    ],
)
def test_makers_that_are_not_known_are_told_by_dataset_with_how_many(cases, told):
    assert of_unknown_origin(cases) == told
