"""The trainer's own mathematics and what it goes on from."""

import torch
from nnunetv2.training.loss.robust_ce_loss import RobustCrossEntropyLoss

from cordstudy.pipeline.learning.resuming import newest, store
from cordstudy.pipeline.learning.trainer import DeterministicCrossEntropy


def test_the_deterministic_cross_entropy_is_nnunets():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5, 6, 7, requires_grad=True)
    target = torch.randint(0, 3, (2, 1, 5, 6, 7))
    ours = DeterministicCrossEntropy()(logits, target)
    theirs = RobustCrossEntropyLoss()(logits, target[:, 0])
    (our_gradient,) = torch.autograd.grad(ours, logits)
    (their_gradient,) = torch.autograd.grad(theirs, logits)
    assert torch.allclose(ours, theirs)
    assert torch.allclose(our_gradient, their_gradient, atol=1e-8)


def test_the_deterministic_cross_entropy_takes_labels_with_a_channel_and_without():
    torch.manual_seed(0)
    logits, target = torch.randn(1, 2, 3, 3, 3), torch.randint(0, 2, (1, 1, 3, 3, 3))
    loss = DeterministicCrossEntropy()
    assert loss(logits, target) == loss(logits, target[:, 0])


def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path):
    for epoch in (0, 1):
        store(tmp_path, epoch, lambda path, text=f"epoch {epoch}": path.write_text(text))
    (kept,) = tmp_path.iterdir()
    assert newest(tmp_path) == kept and kept.read_text() == "epoch 1"
    kept.write_text("damaged")
    assert newest(tmp_path) is None
