"""Faulty WeightedPermuteMLPs that keep every shape, train, and raise nothing.

Each overrides one method and changes little in it, so that the faulty lines can be
read beside the right ones in `permute_mlp`.  The comments are what the author of such a
fault would have left there: they say what was meant, not what happens.

A class's docstring is its record: what is wrong; what a reader would see; and, where
people have made this fault in code that others use, where.  `MUTANTS` holds them all.
"""

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import dropout, gelu

from ...permute_mlp import WeightedPermuteMLP

# --- The height branch -------------------------------------------------------------


class HeightUnpermuted(WeightedPermuteMLP):
    """Both permutes of the height branch are missing.

    Seen: each row that meets mlp_h is one token, so nothing moves along a column.
    Known: plemeri/UACANet, issue 8 (attention along the height without a permute).
    """

    def height(self, x: Tensor) -> Tensor:
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.reshape(B, N, W, H * S)  # (B, N, W, H*S)
        x = self.mlp_h(x)  # (B, N, W, H*S)
        x = x.reshape(B, N, W, H, S)  # (B, N, W, H, S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)


class HeightNotPutBack(WeightedPermuteMLP):
    """The height branch lays columns out, mixes them, and doesn't put them back.

    Seen: the rows of the output are segments, and a token holds one of a whole column.
    Known: blakechi/ComVEX, comvex/vip/model.py; with the heads of attention also
        jsbaan/transformer-from-scratch, pull request 6.
    """

    def height(self, x: Tensor) -> Tensor:
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.permute(0, 3, 2, 1, 4)  # (B, N, W, H, S)
        x = x.reshape(B, N, W, H * S)  # (B, N, W, H*S)
        x = self.mlp_h(x)  # (B, N, W, H*S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)


class HeightTransposed(WeightedPermuteMLP):
    """On the way back of the height branch, H and W change places.

    Seen: the branch's picture comes out mirrored at its diagonal.
    Known: facebookresearch/dino, issue 180 (the names of height and width exchanged,
        which works as long as pictures are square).
    """

    def height(self, x: Tensor) -> Tensor:
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.permute(0, 3, 2, 1, 4)  # (B, N, W, H, S)
        x = x.reshape(B, N, W, H * S)  # (B, N, W, H*S)
        x = self.mlp_h(x)  # (B, N, W, H*S)
        x = x.reshape(B, N, W, H, S)  # (B, N, W, H, S)
        x = x.permute(0, 2, 3, 1, 4)  # (B, H, W, N, S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)


class HeightInterleaved(WeightedPermuteMLP):
    """The height branch splits C into S and N instead of N and S.

    Seen: a segment is every N-th channel, not S neighbours. Trained anew that is as
        good; trained weights of the right module compute something else.
    """

    def height(self, x: Tensor) -> Tensor:
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, S, N)  # (B, H, W, S, N)
        x = x.permute(0, 4, 2, 1, 3)  # (B, N, W, H, S)
        x = x.reshape(B, N, W, H * S)  # (B, N, W, H*S)
        x = self.mlp_h(x)  # (B, N, W, H*S)
        x = x.reshape(B, N, W, H, S)  # (B, N, W, H, S)
        x = x.permute(0, 3, 2, 4, 1)  # (B, H, W, S, N)
        return x.reshape(B, H, W, C)  # (B, H, W, C)


class HeightBiased(WeightedPermuteMLP):
    """mlp_h has a bias, because Linear has one unless it is told otherwise.

    Seen: the height branch makes something of a picture with nothing on it.
    Known: liuruiyang98/Jittor-MLP, models_pytorch/vip.py (biases in all branches).
    """

    def __init__(self, dim: int, *args, **options):
        super().__init__(dim, *args, **options)
        self.mlp_h = nn.Linear(dim, dim)


# --- The width branch --------------------------------------------------------------


class WidthUnpermuted(WeightedPermuteMLP):
    """Both permutes of the width branch are missing.

    Seen: each row that meets mlp_w is one token, so nothing moves along a row.
    """

    def width(self, x: Tensor) -> Tensor:
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.reshape(B, H, N, W * S)  # (B, H, N, W*S)
        x = self.mlp_w(x)  # (B, H, N, W*S)
        x = x.reshape(B, H, N, W, S)  # (B, H, N, W, S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)


class WidthTurnedTwice(WeightedPermuteMLP):
    """The width branch goes in by a three-cycle, and back by the same numbers.

    Seen: three axes move round in a circle, and a second turn doesn't undo the first:
        the rows of the output are the columns of the picture.
    """

    def width(self, x: Tensor) -> Tensor:
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.permute(0, 3, 1, 2, 4)  # (B, N, H, W, S)
        x = x.reshape(B, N, H, W * S)  # (B, N, H, W*S)
        x = self.mlp_w(x)  # (B, N, H, W*S)
        x = x.reshape(B, N, H, W, S)  # (B, N, H, W, S)
        x = x.permute(0, 3, 1, 2, 4)  # (B, H, W, N, S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)


class WidthThroughMlpH(WeightedPermuteMLP):
    """The width branch uses mlp_h; mlp_w is never used.

    Seen: the lines were copied from the height branch, and one letter is as it was.
    Known: blakechi/ComVEX, comvex/vip/model.py (self.H in both branches).
    """

    def width(self, x: Tensor) -> Tensor:
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.permute(0, 1, 3, 2, 4)  # (B, H, N, W, S)
        x = x.reshape(B, H, N, W * S)  # (B, H, N, W*S)
        x = self.mlp_h(x)  # (B, H, N, W*S)
        x = x.reshape(B, H, N, W, S)  # (B, H, N, W, S)
        x = x.permute(0, 1, 3, 2, 4)  # (B, H, W, N, S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)


# --- The channel branch, and the three together ------------------------------------


class ChannelWeightTransposed(WeightedPermuteMLP):
    """mlp_c's weight is used the wrong way round: rows for columns.

    Seen: every channel gives where it should take. Other frameworks store a Linear's
        weight transposed, and a square matrix fits both ways.
    """

    def channel(self, x: Tensor) -> Tensor:
        self._check(x)
        return x @ self.mlp_c.weight  # (B, H, W, C)


class LayersTied(WeightedPermuteMLP):
    """Height and width have one layer between them, under two names.

    Seen: what trains the one branch changes the other. The state dict has all its
        names and shapes.
    """

    def __init__(self, dim: int, *args, **options):
        super().__init__(dim, *args, **options)
        self.mlp_w = self.mlp_h


class WidthAfterHeight(WeightedPermuteMLP):
    """The width branch is fed the height branch's output instead of the picture.

    Seen: what should run along rows alone has run down the columns before.
    Known: mindspore-courses/External-Attention-MindSpore, model/attention/ViP.py.
    """

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.height(x)  # (B, H, W, C)
        w = self.width(h)  # (B, H, W, C)
        return h, w, self.channel(x)


class BranchesExchanged(WeightedPermuteMLP):
    """The branches are returned in the order w, h, c and read in the order h, w, c.

    Seen: the weights of height and width belong to the other branch.
    """

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.width(x), self.height(x), self.channel(x)


# --- The blend ---------------------------------------------------------------------


class ArticleOrder(WeightedPermuteMLP):
    """The weights are dealt out in the order c, w, h; the authors' is h, w, c.

    Seen: height and channel get each other's share. Weights that were trained in one
        order load into the other without a word.
    Known: xmu-xiaoma666/External-Attention-pytorch, model/attention/ViP.py.
    """

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.branches(x)  # (B, H, W, C) each
        weights = self.branch_weights(h, w, c)  # (3, B, C)
        a_c, a_w, a_h = weights[:, :, None, None, :].unbind()  # (B, 1, 1, C) each
        x = a_h * h + a_w * w + a_c * c  # (B, H, W, C)
        return self.proj_drop(self.proj(x))  # (B, H, W, C)


class HeightTwice(WeightedPermuteMLP):
    """The height branch is blended in twice and the channel branch never.

    Seen: where a channel should take the channel branch, it gets the height branch.
    Known: xmu-xiaoma666/External-Attention-pytorch, issue 27.
    """

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.branches(x)  # (B, H, W, C) each
        weights = self.branch_weights(h, w, c)  # (3, B, C)
        a_h, a_w, a_c = weights[:, :, None, None, :].unbind()  # (B, 1, 1, C) each
        x = a_h * h + a_w * w + a_c * h  # (B, H, W, C)
        return self.proj_drop(self.proj(x))  # (B, H, W, C)


class EqualShares(WeightedPermuteMLP):
    """The re-weighting is left out: each branch gets a third.

    Seen: every channel blends all three branches alike; reweight never learns.
    Known: kyegomez/zeta, vision_weighted_permute_mlp.py (weighted in name alone).
    """

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.branches(x)  # (B, H, W, C) each
        x = (h + w + c) / 3  # (B, H, W, C)
        return self.proj_drop(self.proj(x))  # (B, H, W, C)


class InputPooled(WeightedPermuteMLP):
    """The weights are computed from the input instead of from the three branches.

    Seen: the weights know what the picture holds and not what the branches made of it.
    """

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.branches(x)  # (B, H, W, C) each
        weights = self.branch_weights(x, x, x)  # (3, B, C)
        a_h, a_w, a_c = weights[:, :, None, None, :].unbind()  # (B, 1, 1, C) each
        x = a_h * h + a_w * w + a_c * c  # (B, H, W, C)
        return self.proj_drop(self.proj(x))  # (B, H, W, C)


class DroppedTooEarly(WeightedPermuteMLP):
    """proj_drop stands before the projection instead of after it.

    Seen: in training with dropout no number of the output is zero, and all are noisy.
        In evaluation, and without dropout, nothing is wrong.
    """

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.branches(x)  # (B, H, W, C) each
        weights = self.branch_weights(h, w, c)  # (3, B, C)
        a_h, a_w, a_c = weights[:, :, None, None, :].unbind()  # (B, 1, 1, C) each
        x = a_h * h + a_w * w + a_c * c  # (B, H, W, C)
        return self.proj(self.proj_drop(x))  # (B, H, W, C)


# --- The weights of the branches ---------------------------------------------------


class SumPooled(WeightedPermuteMLP):
    """The branches are summed over all tokens where they should be averaged.

    Seen: H*W times the number goes into reweight, and its weights go to extremes.
    Known: liuruiyang98/Jittor-MLP, models_pytorch/vip.py (SplitAttention).
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).sum(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class PooledUnpermuted(WeightedPermuteMLP):
    """The tokens are flattened for pooling by a reshape, with no permute before it.

    Seen: a "channel" is a strip of a few tokens, so the mean is over the wrong numbers.
    Known: fawazsammani/knowing-when-to-look-adaptive-attention, issue 6.
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).reshape(B, C, H * W).mean(dim=2)  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class PoolDetached(WeightedPermuteMLP):
    """The pooled branches are detached: the gradient doesn't come through.

    Seen: every output is right. Trained, the branches never hear of the weights that
        they caused, and off the cross nothing is to blame for anything.
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).detach().mean(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class SummedInPlace(WeightedPermuteMLP):
    """The sum for pooling is made in place, and h is not h any more.

    Seen: wherever height is blended in later, width and channel come with it.
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = h.add_(w).add_(c).mean(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class TanhGelu(WeightedPermuteMLP):
    """The GELU is the approximation by tanh; the module's is the exact one, by erf.

    Seen: there is next to nothing to see. It is the default in JAX, so ports have it.
    Known: kyutai-labs/pocket-tts, pull request 278 (the other way round).
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).mean(dim=(1, 2))  # (B, C)
        hidden = gelu(self.reweight.fc1(pooled), approximate="tanh")  # (B, C//4)
        weights = self.reweight.fc2(hidden)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class SurpriseDropout(WeightedPermuteMLP):
    """There is a dropout in the re-weighting that nobody asked for.

    Seen: in training, one picture gives another output each time. In evaluation
        nothing is wrong.
    Known: xmu-xiaoma666/External-Attention-pytorch, model/attention/ViP.py (0.1).
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).mean(dim=(1, 2))  # (B, C)
        weights = dropout(self.reweight(pooled), 0.1, self.training)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class RowsByBranch(WeightedPermuteMLP):
    """The 3*C numbers are read as (3, C) and not as (C, 3).

    Seen: each channel gets three numbers that were meant for three other channels.
    Known: blakechi/ComVEX, comvex/vip/model.py (it can't read the authors' weights).
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).mean(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(B, 3, C)  # (B, 3, C)
        weights = weights.permute(1, 0, 2)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class WeightsReshaped(WeightedPermuteMLP):
    """The axis of three is brought to the front by a reshape; it takes a permute.

    Seen: numbers stay in memory's order, so channels get the weights of others, and in
        a batch pictures get the weights of other pictures.
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).mean(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(3, B, C)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class SoftmaxOverChannels(WeightedPermuteMLP):
    """The softmax runs over the channels: the channels compete, not the branches.

    Seen: the three weights of a channel don't sum to 1 but to far less.
    Known: labmlai/annotated_deep_learning_paper_implementations, issue 146 (a softmax
        over the wrong axis of attention).
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).mean(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=-1)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


class SoftmaxOverBatch(WeightedPermuteMLP):
    """The softmax runs over the batch: the pictures compete for each branch.

    Seen: a picture's output depends on its company. Alone, all its weights are 1.
    Known: PetrochukM/PyTorch-NLP, issue 2 (all attention weights are 1).
    """

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        B, H, W, C = h.shape
        pooled = (h + w + c).mean(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=1)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)


# --- Their records -----------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """A faulty module, and what is known of it.

    Attributes:
        module: The class.
        fault: What is wrong, in a sentence.
        seen: What a reader would see.
        known: Where people have made such a fault, or "".
    """

    module: type[WeightedPermuteMLP]
    fault: str
    seen: str = ""
    known: str = ""

    @classmethod
    def of(cls, module: type[WeightedPermuteMLP]) -> "Mutant":
        """The record in a class's docstring; your own class will do.

        Raises:
            ValueError: If it has no docstring, or doesn't override exactly one method.
        """
        text = " ".join((vars(module)["__doc__"] or "").split())  # not an inherited one
        if not text:
            raise ValueError(
                f"{module.__name__} has no docstring; say in it what is wrong"
            )
        parts = re.fullmatch(r"(.*?)(?: Seen: (.*?))?(?: Known: (.*))?", text)
        assert parts  # every line fits
        fault, seen, known = parts.groups(default="")
        record = cls(module, fault, seen[:1].upper() + seen[1:], known)
        record.method  # noqa: B018 (asked now, so that it is refused now)
        return record

    @property
    def name(self) -> str:
        """The class's name in words: "height unpermuted"."""
        return re.sub(r"(?<!^)(?=[A-Z])", " ", self.module.__name__).lower()

    @property
    def method(self) -> str:
        """Name of the method that is faulty."""
        own = [n for n, value in vars(self.module).items() if inspect.isfunction(value)]
        if len(own) != 1:
            raise ValueError(
                f"{self.module.__name__} overrides {', '.join(own) or 'nothing'}; a "
                "mutant overrides one method, so that its fault can be seen"
            )
        return own[0]

    def lines(self) -> tuple[list[str], list[str]]:
        """The method's lines as they should be, and as they are here.

        Of an `__init__` these are the lines that it shares with those it extends.
        """
        wrong = _body(vars(self.module)[self.method])
        bases = [b for b in self.module.__mro__[1:] if self.method in vars(b)]
        if self.method != "__init__":
            return _body(vars(bases[0])[self.method]), wrong
        wrong = [line for line in wrong if not line.startswith("super()")]
        made = {line.split(" = ")[0] for line in wrong}
        inits = [
            _body(vars(b)["__init__"]) for b in bases if b.__module__ != "builtins"
        ]
        return [x for body in inits for x in body if x.split(" = ")[0] in made], wrong


def _body(function) -> list[str]:
    """The lines of a function below its first line and its docstring."""
    source = textwrap.dedent(inspect.getsource(function))
    lines, tree = source.splitlines(), ast.parse(source).body[0]
    start = tree.body[bool(ast.get_docstring(tree))].lineno
    return textwrap.dedent("\n".join(lines[start - 1 :])).splitlines()


MUTANTS = [
    Mutant.of(value)
    for value in list(vars().values())
    if isinstance(value, type)
    and issubclass(value, WeightedPermuteMLP)
    and value is not WeightedPermuteMLP
]
