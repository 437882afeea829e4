"""What is done with a predicted mask."""

import numpy as np

from cordstudy.pipeline.raw.components import components, largest_component


def test_the_largest_component_is_kept_and_an_empty_mask_stays_empty():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0:2] = True
    alone = mask.copy()
    alone[3, 3, 3] = True
    assert (largest_component(alone) == mask).all()
    assert largest_component(np.zeros_like(mask)).sum() == 0
    assert [components(mask), components(np.zeros_like(mask))] == [1, 0]
