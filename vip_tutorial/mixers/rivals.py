"""Three other ways to let the tokens of an image hear of each other.

Beside the Permute-MLPs stand self-attention, MLP-Mixer's token mixing and a 3 x 3
convolution.  Each is the one layer that mixes tokens, without the normalisation, the
skip connection and the channel MLP that stand around it in a network, and each takes
and gives images of tokens `(B, H, W, C)`, so that they can be compared.

Sources: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, and Dosovitskiy
et al., "An Image is Worth 16x16 Words", arXiv:2010.11929; Tolstikhin et al.,
"MLP-Mixer: An all-MLP Architecture for Vision", arXiv:2105.01601.
"""

import torch
from torch import Tensor, nn

from ..permute_mlp import Mlp


class SelfAttention(nn.Module):
    """Self-attention with one head: each token takes from all, by likeness.

    It is told nothing of where a token stands: in a Vision Transformer an embedding of
    the position is added to the tokens beforehand.

    Args:
        dim: Channels of a token, C.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, any H and W.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        B, H, W, C = x.shape
        tokens = x.reshape(B, H * W, C)  # (B, H*W, C)
        queries, keys, values = self.qkv(tokens).chunk(3, dim=-1)  # (B, H*W, C) each
        likeness = queries @ keys.transpose(1, 2)  # (B, H*W, H*W)
        shares = (likeness / C**0.5).softmax(dim=-1)  # (B, H*W, H*W)
        tokens = self.proj(shares @ values)  # (B, H*W, C)
        return tokens.reshape(B, H, W, C)  # (B, H, W, C)


class Placed(nn.Module):
    """A layer that is told where each token stands: a learned embedding is added first.

    Args:
        layer: The layer, e.g. `SelfAttention`.
        height: Rows of tokens, H.
        width: Tokens in a row, W.
        dim: Channels of a token, C.

    Shape:
        `(B, H, W, C)` to whatever the layer makes of it.
    """

    def __init__(self, layer: nn.Module, height: int, width: int, dim: int):
        super().__init__()
        self.place = nn.Parameter(0.02 * torch.randn(height, width, dim))
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x + self.place)


class TokenMixing(nn.Module):
    """MLP-Mixer's token mixing: one MLP over all tokens, the same for each channel.

    Args:
        height: Rows of tokens, H.
        width: Tokens in a row, W.
        hidden: Size between the two layers.  Mixer-B/16 has half its channels there.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with the H and W that it was built for.
    """

    def __init__(self, height: int, width: int, hidden: int):
        super().__init__()
        self.mlp = Mlp(height * width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        B, H, W, C = x.shape
        x = x.reshape(B, H * W, C)  # (B, H*W, C)
        x = x.transpose(1, 2)  # (B, C, H*W)
        x = self.mlp(x)
        x = x.transpose(1, 2)  # (B, H*W, C)
        return x.reshape(B, H, W, C)  # (B, H, W, C)


class Convolution(nn.Module):
    """A 3 x 3 convolution: each token takes from itself and its eight neighbours.

    Args:
        dim: Channels of a token, C.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, any H and W.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        B, H, W, C = x.shape
        x = x.permute(0, 3, 1, 2)  # (B, C, H, W)
        x = self.conv(x)  # (B, C, H, W)
        return x.permute(0, 2, 3, 1)  # (B, H, W, C)
