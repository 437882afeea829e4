"""The network that a model's plans describe.

Owns: making it, without a trainer.
Does not own: what plans may name (`plans`), its weights (`checkpoints`), or using it (`predictor`).
"""

from __future__ import annotations

from collections.abc import Mapping

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn


def network_of(
    plans: PlansManager, chosen: ConfigurationManager, dataset: Mapping[str, object]
) -> nn.Module:
    """The network of a configuration as predictions use it, of weights by chance; `dataset` is the
    model's dataset.json. nnU-Net and torch raise anything for plans that are none.

    nnU-Net's stock trainer makes the same; its predictor looks the trainer up for it, which takes
    longer to import than all that a prediction needs.
    """
    network: nn.Module = get_network_from_plans(
        chosen.network_arch_class_name,
        chosen.network_arch_init_kwargs,
        chosen.network_arch_init_kwargs_req_import,
        determine_num_input_channels(plans, chosen, dict(dataset)),
        plans.get_label_manager(dict(dataset)).num_segmentation_heads,
        allow_init=False,
        deep_supervision=False,
    )
    return network
