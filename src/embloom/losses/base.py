"""What a loss may offer beyond its value. A loss is any `nn.Module` that turns named tensors into a scalar; plain ones
of `torch.nn` are losses as they are."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class Classifier(nn.Module):
    """A loss with a target of classes that also says which class it takes a sample for.

    Then its accuracy is logged, its confusion matrix drawn, and the artifact keeps it as a head, so that
    `embedding.predict(inputs)` gives class names. Its class numbers come as the tensor `target`, and it has a method
    `scores`.
    """

    # Tensors by the names that `forward` has for them, without `target` -> (B, classes), the larger the likelier;
    # logits where the loss has such.
    scores: Callable[..., Tensor]
