"""What the check of each exercise says of right answers and of usual mistakes."""

import random
import threading
from itertools import combinations
from statistics import mean

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate, max_pool2d

from vip_tutorial import exercises
from vip_tutorial.exercises import ch09
from vip_tutorial.mixers.multi_scale import MultiScalePermuteMLP
from vip_tutorial.study.faults.mutants import (
    MUTANTS,
    HeightTransposed,
    SoftmaxOverBatch,
)
from vip_tutorial.study.permutation_test import chance, deals

RIGHT, WRONG = {}, {}
"""For each check right answers, and wrong ones with words that are said of them."""

TRUTHS = (bool, np.bool_, torch.tensor)


def check_of(name: str, answer) -> None:
    """Check an answer as the chapter does."""
    check = getattr(exercises, f"check_{name}")
    if name == "address":
        check(answer, shape=(1, 4, 4, 8), at=(0, 2, 1, 5))
    elif name == "undoes":
        check((0, 3, 1, 2, 4), answer)
    elif name == "catches":
        check(answer, SoftmaxOverBatch)
    else:
        check(answer)


def as_kind(kind, function):
    return lambda *arguments: kind(function(*arguments))


# --- 1 and 16: who sees whom ---------------------------------------------------------


def three_columns(row, column, other_row, other_column):
    return abs(column - other_column) <= 1


def a_cross(row, column, other_row, other_column, size=None):
    return row == other_row or column == other_column


def in_one_square(row, column, other_row, other_column, size):
    return row // size == other_row // size and column // size == other_column // size


RIGHT["column_then_square"] = [as_kind(kind, three_columns) for kind in TRUTHS]
WRONG["column_then_square"] = [
    (lambda *a: "yes", "returned 'yes'; it must return True or False"),
    (lambda *a: 1, "returned 1; it must return True or False"),
    # The first output token is in the corner.
    (a_cross, "    # # x\n    # ? .\n    # ? .\n"),
    (
        lambda r, c, o, p: abs(r - o) <= 1 and abs(c - p) <= 1,
        "    # # .\n    # # .\n    ? ? .\n",
    ),
    # Only marks that stand in the picture are explained.
    (
        lambda *a: True,
        "    # # x\n  #  seen, as you say\n  x  not seen; you say it is\n",
    ),
    (lambda r, c, o, p: abs(r - o) <= 1, "    # # x\n    # # x\n    ? ? .\n"),
]
RIGHT["groups_of_rows"] = [as_kind(kind, in_one_square) for kind in TRUTHS]
WRONG["groups_of_rows"] = [
    (lambda *a: 1, "returned 1; it must return True or False"),
    (a_cross, "    # # x x\n    # ? . .\n    x . . .\n    x . . .\n"),
    (lambda *a: True, "    # # x x\n    # # x x\n    x x x x\n    x x x x\n"),
    (
        lambda r, c, o, p, size: r // size == o // size,
        "    # # x x\n    # # x x\n    . . . .\n    . . . .\n",
    ),
    # Right in the corner, but the squares do not go with the token.
    (
        lambda r, c, o, p, size: abs(r - o) < size and abs(c - p) < size,
        "in groups of 2, the output token in row 0, column 1",
    ),
]

# --- 2 and 8: values -----------------------------------------------------------------

RIGHT["address"] = [77, np.int64(77), torch.tensor(77)]
WRONG["address"] = [
    (0, "lies the element (0, 0, 0, 0); you look for (0, 2, 1, 5). How far"),
    (True, "True is none"),
    (77.0, "77.0 is none"),
    (None, "None is none"),
    (128, "ends at 127"),
    (-1, "-1 is outside"),
]


def test_the_first_and_the_last_address_are_addresses(capsys):
    for answer, at in ((0, (0, 0, 0, 0)), (127, (0, 3, 3, 7))):
        exercises.check_address(answer, shape=(1, 4, 4, 8), at=at)
        assert capsys.readouterr().out.startswith("Right: ")


RIGHT["undoes"] = [(0, 2, 3, 1, 4), [0, 2, 3, 1, 4], torch.tensor([0, 2, 3, 1, 4])]
WRONG["undoes"] = [
    ((0, 3, 1, 2, 4), "place 1 holds axis 2. On the way in, axis 1 went to place 2"),
    ((0, 1, 2, 3), "must hold each axis, 0 to 4, once"),
    ((0, 1, 1, 3, 4), "once"),
    (("a", "b", "c", "d", "e"), "give 5 whole numbers, e.g. (0, 1, 2, 3, 4)"),
    (None, "5 whole numbers"),
]

# --- 3: channels in front ------------------------------------------------------------


def mixed(x, weight):
    return torch.einsum("dc,bchw->bdhw", weight, x)


RIGHT["channels_first"] = [
    mixed,
    lambda x, weight: conv2d(x, weight[:, :, None, None]),
    lambda x, weight: (weight @ x.flatten(2)).reshape(x.shape),
]
WRONG["channels_first"] = [
    (lambda x, weight: x, "Nothing is mixed"),
    (lambda x, weight: x @ weight.T, "mixes the tokens of a row"),
    (lambda x, weight: mixed(x, weight.T), "the other way round"),
    (lambda x, weight: mixed(x, weight).permute(0, 2, 3, 1), "stand as (B, H, W, C)"),
    (lambda x, weight: mixed(x, weight).mT, "stand as (B, C, W, H)"),
    (lambda x, weight: mixed(x, weight) + 1, "Which axis stands last"),
    (lambda x, weight: mixed(x, weight)[:1], "gave the shape"),
    (lambda x, weight: mixed(x, weight).double(), "gave numbers of torch.float64"),
    (lambda x, weight: mixed(x, weight).to_sparse(), "on cpu (sparse); they should"),
    (lambda x, weight: mixed(x, weight.zero_()), "changed its input"),
    (lambda x, weight: x.view(7, 7), "raised RuntimeError"),
    (lambda x, weight: mixed(x, weight).numpy(), "it must return a tensor"),
]

# --- 4 and 5: the rows of a branch ---------------------------------------------------


def rows_of_columns(x, N):
    B, H, W, C = x.shape
    x = x.reshape(B, H, W, N, C // N).permute(0, 3, 2, 1, 4)
    return x.reshape(B, N, W, H * (C // N))


def rows_of_rows(x, N):
    return rows_of_columns(x.transpose(1, 2), N)


def zeroes_the_picture(x, N):
    rows = rows_of_columns(x, N)
    x.zero_()
    return rows


def transposed_wrongly(x, N):
    B, H, W, C = x.shape
    return rows_of_rows(x, N).reshape(B, N, W, -1)


def fast_and_slow_exchanged(x, N):
    B, H, W, C = x.shape
    x = x.reshape(B, H, W, N, C // N).permute(0, 3, 2, 4, 1)
    return x.reshape(B, N, W, -1)


RIGHT["height_rows"] = [
    rows_of_columns,
    lambda x, N: torch.einsum(
        "bhwns->bnwhs", x.unflatten(3, (N, x.shape[3] // N))
    ).flatten(3),
]
WRONG["height_rows"] = [
    (lambda x, N: x.reshape(7, 7), "raised RuntimeError"),
    (zeroes_the_picture, "changed its input"),
    (lambda x, N: 3, "returned 3; it must return a tensor"),
    (lambda x, N: x, "needed (B, N, W, H*S) = "),
    (lambda x, N: torch.zeros_like(rows_of_columns(x, N)), "walks along nothing"),
    (transposed_wrongly, "must walk along H and S"),
    (fast_and_slow_exchanged, "H must be the slow axis"),
    (lambda x, N: rows_of_columns(x, N).flip(1), "in the order B, N, W"),
]
RIGHT["width_rows"] = [rows_of_rows]
WRONG["width_rows"] = [
    (rows_of_columns, "needed (B, N, H, W*S) = "),
    (lambda x, N: x.reshape(rows_of_rows(x, N).shape), "hold one row of the picture"),
    (lambda x, N: rows_of_rows(x, N).flip(1), "in the order B, N, H"),
]

# --- 6: the branch weights -----------------------------------------------------------


def weights(numbers, C):
    return numbers.reshape(-1, C, 3).permute(2, 0, 1).softmax(dim=0)


def zeroes_the_numbers(numbers, C):
    dealt = weights(numbers, C)
    numbers.zero_()
    return dealt


RIGHT["branch_weights"] = [
    weights,
    lambda n, C: torch.stack([n[:, k::3] for k in range(3)]).softmax(0),
]
WRONG["branch_weights"] = [
    (lambda n, C: n.reshape(7, 7), "raised RuntimeError"),
    (zeroes_the_numbers, "changed its input"),
    (lambda n, C: n, "needed (3, B, C)"),
    (lambda n, C: n.reshape(-1, C, 3).softmax(2), "Bring the last axis to"),
    (lambda n, C: n.reshape(-1, 3, C).softmax(1), "that is (B, 3, C)"),
    (
        lambda n, C: n.reshape(-1, C, 3).permute(2, 0, 1).softmax(1),
        "along axis 1 of (3, B, C): the pictures of the batch compete",
    ),
    (
        lambda n, C: n.reshape(-1, C, 3).permute(2, 0, 1).softmax(-1),
        "along axis 2 of (3, B, C): the channels of a branch compete",
    ),
    (lambda n, C: n.reshape(-1, C, 3).permute(2, 0, 1), "they must sum to 1"),
    (lambda n, C: weights(n, C) / 3, "sum to 0.333"),
    (
        lambda n, C: n.reshape(-1, 3, C).permute(1, 0, 2).softmax(0),
        "Channel 0 of picture 0 got the numbers [0, 7, 14], it must get [0, 1, 2]",
    ),
    (lambda n, C: n.reshape(3, -1, C).softmax(0), "of the pictures [0, 2, 4]"),
    (lambda n, C: weights(n, C).flip(2), "got the numbers [18, 19, 20]"),
    (lambda n, C: weights(n, C).flip(0), "its own three numbers, but as [2"),
    (lambda n, C: weights(n, C).flip(1), "from numbers of the pictures"),
    (lambda n, C: weights(n * 2, C), "no softmax of three of the numbers"),
    (lambda n, C: weights(n, C) * 0 + 1 / 3, "no softmax of three"),
]

# --- 7: what it costs ----------------------------------------------------------------


def cost(H, W, C):
    return 4 * H * W * C * C + 4 * C * (C // 4)


RIGHT["multiply_adds"] = [as_kind(kind, cost) for kind in (int, float, np.float64)]
WRONG["multiply_adds"] = [
    (lambda H, W, C: "many", "must return a number"),
    (lambda H, W, C: True, "must return a number"),
    (lambda H, W, C: 3 * H * W * C * C + 4 * C * (C // 4), "the projection"),
    (lambda H, W, C: 4 * H * W * C * C, "left out the re-weighting"),
    (lambda H, W, C: H * W * cost(1, 1, C), "once an image, on the mean"),
    (lambda H, W, C: 4 * H * W * C * C + C * (C // 4), "you counted the first"),
    (lambda H, W, C: 4 * H * W * C**2 + 3 * C * (C // 4), "you counted the second"),
    (lambda H, W, C: 3 * H * W * C * C, "the branches alone"),
    (lambda H, W, C: 4 * H * W * C * C + C * C, "rounded down"),
    (lambda H, W, C: 2 * cost(H, W, C), "twice as much"),
    (lambda H, W, C: cost(1, 1, C), "for one token"),
    (lambda H, W, C: H * W * C, "count each Linear"),
]

# --- 9: a check that catches a fault -------------------------------------------------


def close(one, other):
    return torch.allclose(one, other, atol=1e-5)


def alone_and_together(module, compare=close):
    x = torch.randn(3, 4, 4, 8)
    return compare(module(x), torch.cat([module(one[None]) for one in x]))


def exactly(compare):
    return lambda module: alone_and_together(module, compare)


def heights_exactly(module):
    x = torch.randn(2, 4, 4, 8)
    weight, one = module.mlp_h.weight, x.reshape(2, 4, 4, 4, 2)
    rows = one.permute(0, 3, 2, 1, 4).reshape(2, 4, 4, 8) @ weight.T
    home = rows.reshape(2, 4, 4, 4, 2).permute(0, 3, 2, 1, 4).reshape(x.shape)
    return torch.equal(module.height(x), home) and alone_and_together(module)


def heavy_handed(module):
    torch.nn.init.zeros_(module.proj.bias)
    return True


def by_luck(module):
    return bool(module.proj.bias[0] > 0)


TWO = torch.randn(2, 4, 4, 8, generator=torch.Generator().manual_seed(0))
HALF = torch.tensor([1, 0.5]).reshape(2, 1, 1, 1)

RIGHT["catches"] = [
    alone_and_together,
    lambda module: close(module(TWO)[:1], module(TWO[:1])),
    # Bit for bit, and no rounding can come between: nothing has another shape.
    lambda module: torch.equal(module(TWO)[0], module(TWO * HALF)[0]),
]
WRONG["catches"] = [
    (lambda module: True, "accepts everything"),
    (lambda module: False, "rejects everything"),
    (lambda module: not alone_and_together(module), "wrong way round"),
    (lambda module: module(torch.randn(4, 4, 8)), "raised ValueError: input has"),
    (lambda module: torch.ones(2), "returned a Tensor of many values"),
    (heavy_handed, "changes the module (proj.bias)"),
    # Whatever this machine rounds, the words are the same.
    (exactly(torch.equal), "depending on how its sums are rounded"),
    (exactly(lambda a, b: (a == b).all()), "depending on how its sums are rounded"),
    (exactly(lambda a, b: (a - b).abs().max() == 0), "how its sums are rounded"),
    (exactly(lambda a, b: a.tolist() == b.tolist()), "how its sums are rounded"),
    (
        exactly(lambda a, b: np.array_equal(a.detach(), b.detach())),
        "how its sums are rounded",
    ),
    (
        exactly(lambda a, b: torch.allclose(a, b, rtol=0, atol=1e-9)),
        "how its sums are rounded",
    ),
    (heights_exactly, "compare with a tolerance"),
    (by_luck, "With some weights it accepts a right module"),
    (lambda m: type(m) is not SoftmaxOverBatch or by_luck(m), "misses it with others"),
    (lambda m: type(m).__name__ == "WeightedPermuteMLP", "what the module is"),
    (3, "Hand it over itself"),
]

# --- 10: sizes of pictures -----------------------------------------------------------


def fits(img_size, patch_size, embed_dims, transitions):
    if img_size % patch_size:
        return False
    side = img_size // patch_size
    for dim, halved in zip(embed_dims, transitions):
        if dim % side or (halved and side % 2):
            return False
        side = side // 2 if halved else side
    return True


def halves_too_early(img_size, patch_size, embed_dims, transitions):
    side, rest = divmod(img_size, patch_size)
    for dim, halved in zip(embed_dims, transitions):
        rest = rest or (halved and side % 2)
        side = side // 2 if halved else side
        rest = rest or side == 0 or dim % side
    return not rest


def no_odd_grid(i, p, e, t):
    return i % p == 0 and not (any(t) and i // p % 2)


RIGHT["fits"] = [as_kind(kind, fits) for kind in TRUTHS]
WRONG["fits"] = [
    (lambda i, p, e, t: i % p, "returned 1; it must return True or False"),
    (lambda *a: True, "img_size 1 is not a multiple of patch_size 7"),
    (lambda *a: False, "(True, False, False, False)) returned False, and the"),
    (lambda i, p, e, t: i % p == 0, "cannot be halved"),
    (no_odd_grid, "leaves"),
    # Each width, but with the first grid's side.
    (
        lambda i, p, e, t: no_odd_grid(i, p, e, t) and not any(d % (i // p) for d in e),
        "Ask each stage with the side of its own grid",
    ),
    # The first width only.
    (
        lambda i, p, e, t: no_odd_grid(i, p, e, t) and e[0] % (i // p) == 0,
        "For a network of two stages",
    ),
    (halves_too_early, "the network says: dim"),
]

# --- 11: what is taken for what ------------------------------------------------------


def counted(guesses, labels, classes):
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for true, said in zip(labels, guesses):
        counts[true, said] += 1
    return counts


def by_unique(guesses, labels, classes):
    pairs = torch.stack([labels, guesses])
    places, times = pairs.unique(dim=1, return_counts=True)
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    counts[places[0], places[1]] = times
    return counts


def once_each(guesses, labels, classes):
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    counts[labels, guesses] += 1
    return counts


def multiplies_the_labels(guesses, labels, classes):
    labels *= classes
    return counted(guesses, labels // classes, classes)


def without_the_last(guesses, labels, classes):
    most = int(max(guesses.max(), labels.max())) + 1
    return counted(guesses, labels, most)


RIGHT["confusion"] = [counted, by_unique]
WRONG["confusion"] = [
    (lambda *a: counted(*a).tolist(), "[0, 0, 0]]; it must return a tensor"),
    (lambda *a: counted(*a).double(), "should stay torch.int64"),
    (lambda *a: counted(*a).T, "right when turned"),
    (once_each, "and not how often"),
    (multiplies_the_labels, "changed its input"),
    (without_the_last, "A class that never occurs has a row and a column"),
    (lambda g, n, k: counted(g, n, k).flatten(), "has shape (9,)"),
    (lambda g, n, k: counted(g, n, k).fill_diagonal_(0), "in row 0, column 0"),
]

# --- 12: what is not noticed ---------------------------------------------------------

RIGHT["unnoticed"] = [
    lambda pictures: pictures.flip(3),
    lambda pictures: pictures.roll(1, dims=3),
    lambda pictures: pictures[..., torch.arange(pictures.shape[-1]).flip(0)],
]
WRONG["unnoticed"] = [
    (lambda pictures: pictures, "gives the pictures back as they were"),
    (lambda pictures: pictures + 1e-13, "changes so little"),
    (lambda pictures: pictures.clone(), "gives the pictures back as they were"),
    (lambda pictures: pictures.flip(2), "You have moved whole rows"),
    (lambda pictures: pictures.roll(1, dims=2), "You have moved whole rows"),
    (lambda pictures: pictures.mT, "keep every column as it is"),
    (lambda pictures: pictures.rot90(1, (2, 3)), "keep every column as it is"),
    (lambda pictures: pictures.flip(2, 3), "keep every column as it is"),
    (lambda pictures: pictures.flip(0), "keep its own pixels"),
    (lambda pictures: 1 - pictures, "keep its own pixels"),
    (lambda pictures: pictures / 0, "not numbers"),
    (lambda pictures: pictures[:, :, 1:], "it must stay (3, 1, 4, 4)"),
    (lambda pictures: pictures.flip(3).float(), "they should stay torch.float64"),
    (lambda pictures: pictures.copy_(pictures.flip(3)), "changed its input"),
]

# --- 13: more than chance? -----------------------------------------------------------


def sorts_the_input(one, other):
    share = chance(one, other)
    one.sort()
    one.append(1)
    return share


def shuffles(one, other):
    both, real, count = one + other, abs(sum(one) - sum(other)), 0
    for _ in range(5000):
        random.shuffle(both)
        count += abs(sum(both[: len(one)]) - sum(both[len(one) :])) >= real
    return count / 5000


def share_of(keep):
    def answer(one, other):
        real, *_ = found = deals(one, other)
        return sum(keep(d, real) for d in found) / len(found)

    return answer


def by_means(one, other):
    both, found = one + other, []
    for places in combinations(range(len(both)), len(one)):
        first = [both[i] for i in places]
        rest = [both[i] for i in range(len(both)) if i not in places]
        found.append(abs(mean(first) - mean(rest)) >= abs(mean(one) - mean(other)))
    return mean(found)


RIGHT["chance"] = [
    *(as_kind(kind, chance) for kind in (float, np.float64, np.array, torch.tensor)),
    by_means,
]
WRONG["chance"] = [
    (lambda a, b: True, "returned True; it must return a share"),
    (lambda a, b: "0.5", "must return a share"),
    (sorts_the_input, "changed its input. Work on a copy"),
    (share_of(lambda d, real: d >= real), "one direction only"),
    (share_of(lambda d, real: d <= real), "one direction only"),
    (share_of(lambda d, real: abs(d) > abs(real)), "use >="),
    (share_of(lambda d, real: abs(d) < abs(real)), "differ less"),
    (lambda a, b: chance(a, b) * len(deals(a, b)), "That is the number of deals"),
    (shuffles, "did you shuffle at random? There are only 70 deals"),
    (lambda a, b: torch.tensor(True), "must return a share"),
    (lambda a, b: np.True_, "must return a share"),
    (lambda a, b: float("inf"), "returned inf; it must return a share"),
    (lambda a, b: 1.0, "every deal differs at least as much. List the deals"),
    (lambda a, b: round(chance(a, b), 2), "That is right, and rounded"),
    (lambda a, b: round(chance(a, b), 4), "That is right, and rounded"),
    (lambda a, b: 100 * chance(a, b), "in percent"),
    (lambda a, b: 0.5, "14 of the 70 deals differ at least as much"),
]

# --- 14: a coarser grid --------------------------------------------------------------


def pooled(x, p):
    B, H, W, C = x.shape
    return x.reshape(B, H // p, p, W // p, p, C).mean((2, 4))


def spread(x, p):
    return x.repeat_interleave(p, 1).repeat_interleave(p, 2)


def coarser(branch, x, p):
    return spread(branch(pooled(x, p)), p)


def by_the_package(branch, x, p):
    module = MultiScalePermuteMLP(36, 36, pool=p)  # all these p divide 36
    return module.spread(branch(module.pooled(x)))


def by_torch(branch, x, p):
    small = avg_pool2d(x.permute(0, 3, 1, 2), p).permute(0, 2, 3, 1)
    on_top = branch(small).permute(0, 3, 1, 2)
    return interpolate(on_top, scale_factor=p, mode="nearest").permute(0, 2, 3, 1)


def scrambles(branch, x, p):
    B, H, W, C = x.shape
    small = x.reshape(B, H // p, W // p, p, p, C).mean((3, 4))
    return spread(branch(small), p)


def largest(branch, x, p):
    small = max_pool2d(x.permute(0, 3, 1, 2), p).permute(0, 2, 3, 1)
    return spread(branch(small), p)


def in_the_corner(branch, x, p):
    y = torch.zeros_like(x)
    y[:, ::p, ::p] = branch(pooled(x, p))
    return y


def adds_one(branch, x, p):
    y = coarser(branch, x, p)
    x += 1
    return y


def flat(branch, x, p):
    branch(pooled(x, p).flatten(1))
    return x


RIGHT["coarser"] = [coarser, by_the_package, by_torch]
WRONG["coarser"] = [
    (lambda branch, x, p: branch(x), "was given (2, 6, 4, 3); with one token"),
    (lambda branch, x, p: x, "called the branch 0 times"),
    (lambda b, x, p: coarser(b, x, p) + 0 * b(x), "called the branch 2 times"),
    (lambda b, x, p: (b(3), x)[1], "the branch was given 3, and needs a tensor"),
    (flat, "was given (2, 18); with one token"),
    (lambda b, x, p: b(pooled(x, p)), "that is the coarser grid. Hand each"),
    (lambda b, x, p: coarser(b, x, p)[:, 1:], "has shape (2, 5, 4, 3); needed (2, 6"),
    (lambda b, x, p: spread(b(x[:, ::p, ::p]), p), "the first token of each"),
    (lambda b, x, p: spread(b(pooled(x, p) * p * p), p), "the sum of each square"),
    (largest, "the largest of each square"),
    (scrambles, "but not those of a square"),
    (lambda b, x, p: spread(b(pooled(x, p) + 1), p), "the mean of that square is"),
    (lambda b, x, p: coarser(b, x, 2), "(3, 6, 9, 2) raised RuntimeError"),
    (lambda b, x, p: b(pooled(x, p)).repeat(1, p, p, 1), "2 x 2 times, side by"),
    (lambda b, x, p: coarser(b, x, p) / p**2, "give all of it to each"),
    (lambda b, x, p: x + coarser(b, x, p), "you add x"),
    (in_the_corner, "the token in row 0, column 1 must get"),
    (lambda b, x, p: coarser(b, x, p).flip(1), "the token in row 0, column 0 must"),
    (adds_one, "changed its input"),
    (lambda b, x, p: coarser(b, x, p).float(), "should stay torch.float64"),
]

# --- 15: a temperature ---------------------------------------------------------------

FC2 = ("fc2.weight", "fc2.bias")


def scaled(*keys, by=lambda x, temperature: x / temperature):
    def cooled(state, temperature):
        return {k: by(x, temperature) if k in keys else x for k, x in state.items()}

    return cooled


def with_copies(state, temperature):
    new = {key: numbers.clone() for key, numbers in state.items()}
    new["fc2.weight"] *= 1 / temperature
    new["fc2.bias"].div_(temperature)
    return new


def in_place(state, temperature):
    for key in FC2:
        state[key] /= temperature
    return state


def transposed(state, temperature):
    return state | {"fc2.weight": state["fc2.weight"].T / temperature}


RIGHT["cooled"] = [scaled(*FC2), with_copies]
WRONG["cooled"] = [
    (lambda state, temperature: state, "what it was before, as at temperature 1"),
    (in_place, "changed its input. Whoever gave it would lose those weights"),
    (lambda state, temperature: state.clear() or state, "changed its input"),
    (lambda state, temperature: list(state), "it must return a dictionary"),
    (lambda state, temperature: {}, "it must have those of state: fc1.weight"),
    (transposed, "fc2.weight is torch.Size([1, 12]); it must stay a tensor (12, 1"),
    (lambda s, t: s | {"fc2.bias": 3}, "fc2.bias is 3; it must stay a tensor (12,"),
    (lambda s, t: {k: x.half() for k, x in s.items()}, "must stay torch.float64"),
    (scaled(*FC2, by=lambda x, t: x * t), "a temperature divides"),
    (scaled("fc2.weight"), "the weight of fc2 is divided, its bias is not"),
    (scaled("fc2.bias"), "the bias of fc2 is divided, its weight is not"),
    (scaled("fc1.weight", "fc1.bias"), "half of what goes into a GELU"),
    (scaled("fc1.weight", "fc1.bias", *FC2), "fc1 has changed"),
    (scaled(*FC2, by=lambda x, t: x / t**2), "the first number that the softmax"),
    (scaled(*FC2, by=lambda x, t: x * 4), "cooled(state, 3)"),  # right at the first
]

# --- 17: a way home without a copy ---------------------------------------------------


def views(blend, mixed):
    B, H, W, C = blend.shape
    N = mixed.shape[1]
    home = mixed.view(B, N, W, H, C // N).permute(0, 3, 2, 1, 4)
    return blend.view(B, H, W, N, C // N), home


def by_addcmul(blend, mixed, share):
    into, home = views(blend, mixed)
    B, _, _, N, S = into.shape
    into.addcmul_(home, share.view(B, 1, 1, N, S))


def by_transposes(blend, mixed, share):
    H, N, C = blend.shape[1], mixed.shape[1], blend.shape[3]
    # The other way about: the blend goes to where the branch lies.
    there = blend.unflatten(3, (N, C // N)).transpose(1, 3)
    weight = share.unflatten(1, (N, 1, 1, C // N))
    there.addcmul_(mixed.unflatten(3, (H, C // N)), weight)
    return blend


def multiplied_first(blend, mixed, share):
    into, home = views(blend, mixed)
    into += share.view(len(share), 1, 1, *into.shape[3:]) * home


def copied_home(blend, mixed, share):
    home = views(blend, mixed)[1].reshape(blend.shape)
    blend.addcmul_(home, share[:, None, None, :])


def a_new_tensor(blend, mixed, share):
    home = views(blend, mixed)[1].reshape(blend.shape)
    return blend + home * share[:, None, None, :]


def of_the_width_branch(blend, mixed, share):
    B, H, W, C = blend.shape
    home = mixed.view(B, H, H, W, C // H).permute(0, 1, 3, 2, 4)
    blend += home.reshape(B, H, W, C) * share[:, None, None, :]


def without_share(blend, mixed, share):
    into, home = views(blend, mixed)
    into += home


def zeroes_the_share(blend, mixed, share):
    by_addcmul(blend, mixed, share)
    share.zero_()


def into_itself(blend, mixed, share):
    into, home = views(blend, mixed)
    torch.addcmul(into, home, share.view(len(share), 1, 1, *into.shape[3:]), out=into)


def in_a_thread(blend, mixed, share):
    thread = threading.Thread(target=multiplied_first, args=(blend, mixed, share))
    thread.start()
    thread.join()


RIGHT["adds_home"] = [by_addcmul, by_transposes, into_itself]
WRONG["adds_home"] = [
    (lambda *given: None, "left blend as it was"),
    (multiplied_first, "makes 5 passes"),
    (in_a_thread, "neither NumPy nor a thread"),
    (copied_home, "makes 5 passes"),
    (a_new_tensor, "you made a new tensor"),
    (lambda b, m, s: b.addcmul_(m, s[:, None, None, :]), "adds mixed as it lies"),
    (of_the_width_branch, "the way home of the width branch"),
    (without_share, "leaves out share"),
    (zeroes_the_share, "neither mixed nor share"),
    (lambda b, m, s: b.add_(1), "adds other numbers"),
    (lambda b, m, s: b.unsqueeze_(3), "turned blend itself to the shape (2, 4, 4, 1"),
]

# --- 18: which images does a process take? -------------------------------------------

RIGHT["shares"] = [
    lambda batch, rank, world: batch[rank::world],
    lambda batch, rank, world: torch.tensor(batch).chunk(world)[rank],
    lambda batch, rank, world: sorted(batch)[rank::world],
    lambda batch, rank, world: (float(image) for image in batch[rank::world]),
]
WRONG["shares"] = [
    (lambda batch, rank, world: batch, "must take 4, since the mean of their"),
    (lambda batch, rank, world: batch[: len(batch) // world], "has already"),
    (lambda batch, rank, world: [batch[0]] * 4, "which itself has already"),
    (lambda batch, rank, world: range(4), "is no image of this step"),
    (lambda batch, rank, world: [], "returned 0 of 8 images"),
    (lambda batch, rank, world: 7, "it must return a list of images"),
    (lambda batch, rank, world: [0.5], "it must return a list of images"),
    (lambda batch, rank, world: torch.tensor(7), "it must return a list of images"),
    (lambda batch, rank, world: (1 / 0 for _ in batch), "raised ZeroDivisionError"),
    (lambda batch, rank, world: [batch.pop()], "changed its input. The others"),
]

# --- 19: which rows does an output row hear of? --------------------------------------


def heard(how, row, N, H):
    if how == "resample":
        return range(H)
    if how == "tiles":
        first = row // N * N
        return range(first, first + N)
    return range(row % (H // N), H, H // N)


def wrong_strides(how, row, N, H):
    return range(row % N, H, N) if how == "strided" else heard(how, row, N, H)


RIGHT["heard"] = [
    as_kind(kind, heard) for kind in (list, set, iter, lambda r: torch.tensor(list(r)))
]
WRONG["heard"] = [
    (lambda *a: 3, "it must return the numbers of rows"),
    (lambda how, row, N, H: range(N), "Stretched weights stand between all"),
    (lambda how, row, N, H: range(H), "which piece is this row in?"),
    (wrong_strides, "takes the next"),
]


# --- 20: which networks does no other beat? ------------------------------------------


def front(costs, shares):
    def beats(one, two):
        no_worse = costs[one] <= costs[two] and shares[one] >= shares[two]
        return no_worse and (costs[one], shares[one]) != (costs[two], shares[two])

    numbers = range(len(costs))
    return [two for two in numbers if not any(beats(one, two) for one in numbers)]


def strictly(costs, shares):
    """Who is beaten must be both dearer and worse."""
    pairs = list(zip(costs, shares))
    return [
        i
        for i, (c, s) in enumerate(pairs)
        if not any(d < c and t > s for d, t in pairs)
    ]


def alike_beat(costs, shares):
    pairs = list(zip(costs, shares))
    return [i for i in front(costs, shares) if pairs.count(pairs[i]) == 1]


RIGHT["front"] = [
    as_kind(kind, front) for kind in (list, set, iter, lambda r: torch.tensor(list(r)))
]
WRONG["front"] = [
    (lambda c, s: 3, "it must return the numbers of networks"),
    (lambda c, s: [], "No other beats network 1 (10, 80 %)"),
    (lambda c, s: range(len(c)), "Network 1 (10, 80 %) beats network 0 (20, 80 %)."),
    (lambda c, s: [len(c)], "There is no network 2: they go from 0 to 1."),
    (strictly, "beats network"),
    (alike_beat, "No other beats network 0 (10, 80 %)"),
    (lambda c, s: front(sorted(c), s), "gave ["),
    (lambda c, s: [c.pop()], "changed its input"),
]


# --- The loop ------------------------------------------------------------------------


def test_the_table_has_every_check():
    names = {name.removeprefix("check_") for name in exercises.__all__}
    assert set(RIGHT) == set(WRONG) == names - {"whole"}  # see test_whole.py


@pytest.mark.parametrize("name", RIGHT)
def test_any_right_answer_is_praised_and_a_wrong_one_told_why(name, capsys):
    for answer, verdict, told in [
        *((answer, "Right", "") for answer in RIGHT[name]),
        *((answer, "Not yet. ", told) for answer, told in WRONG[name]),
    ]:
        check_of(name, answer)
        out = capsys.readouterr().out
        assert out.startswith(verdict) and told in out


def test_praise_says_what_was_tried(capsys):
    for name, told in {
        "address": "Right: 2 * 32 + 1 * 8 + 5 * 1 = 77.",
        "confusion": "Right, for 3, 10, 4 classes",
        "chance": "Right on 10 pairs",
        "coarser": "Right on 4 grids",
        "cooled": "Right, at the temperatures 0.25, 3",
        "adds_home": "Right for 3 sizes, with 3 passes",
        "shares": "Right in 5 steps",
        "heard": "Right for all 114 output rows of 5 grids, in three ways.\n",
        "front": "Right on 10 groups of networks",
        "fits": "Right, for 4 networks: ",
    }.items():
        check_of(name, RIGHT[name][0])
        assert capsys.readouterr().out.startswith(told)
    check_of("unnoticed", RIGHT["unnoticed"][0])
    assert "by up to 0.00" not in capsys.readouterr().out


# --- Chapter 9: rounding, time and the other mutants ---------------------------------


@pytest.mark.parametrize(
    "rounding", [pytest.param("_OneByOne", marks=pytest.mark.slow), "_RoundedOtherwise"]
)
def test_what_is_said_does_not_depend_on_the_processors_rounding(
    rounding, capsys, monkeypatch
):
    said = []
    for name in ("WeightedPermuteMLP", rounding):
        monkeypatch.setattr(ch09, "WeightedPermuteMLP", getattr(ch09, name))
        exercises.check_catches(exactly(torch.equal), SoftmaxOverBatch)
        exercises.check_catches(alone_and_together, SoftmaxOverBatch)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and "with a tolerance" in said[0] and "Right" in said[0]


def column_stays(module):
    """Whether the height branch stays in its column: catches more than one mutant."""
    x = torch.zeros(1, 4, 4, 8)
    x[0, 2, 1] = 1
    seen = module.height(x)[0].abs().sum(-1) > 0
    return bool(seen[:, 1].all()) and int(seen.sum()) == 4


def others(capsys, check, mutant=HeightTransposed) -> dict[str, list[str]]:
    """The sentences on the other mutants: what is said, and of which."""
    exercises.check_catches(check, mutant)
    out = capsys.readouterr().out
    assert out.startswith("Right: it passes every right module"), out
    sentences = out.partition("sets of weights. ")[2].strip().split(".")[:-1]
    parts = [sentence.strip().partition(": ")[::2] for sentence in sentences]
    return {words: names.split(", ") for words, names in parts}


def test_what_else_is_caught_is_named(capsys):
    told = others(capsys, column_stays)
    assert list(told) == ["It also catches"]
    assert "height unpermuted" in told["It also catches"]
    assert "height transposed" not in told["It also catches"]

    def catches_one(module):
        return type(module) is not HeightTransposed

    assert list(others(capsys, catches_one)) == ["It catches no other"]


def stuck_on(*names):
    def check(module):
        if type(module).__name__ in names:
            while True:
                pass
        return column_stays(module)

    return check


@pytest.mark.slow
def test_time_that_ran_out_is_not_called_not_caught(capsys, monkeypatch):
    everything = others(capsys, column_stays)["It also catches"]
    monkeypatch.setattr(exercises.runner, "SECONDS", 0.3)
    told = others(capsys, stuck_on("HeightUnpermuted", "SoftmaxOverBatch"))
    assert told["Time ran out on"] == ["height unpermuted", "softmax over batch"]
    assert told["It also catches"] == [
        name for name in everything if name != "height unpermuted"
    ]
    names = [m.module.__name__ for m in MUTANTS if m.module is not HeightTransposed]
    told = others(capsys, stuck_on(*names))
    first, second, _, third, *rest = (mutant.name for mutant in MUTANTS)
    assert told == {
        "Time ran out on": [first, second, third],
        "Not tried after that": rest,
    }


def test_a_check_that_fails_on_others_says_so(capsys):
    def narrow(module):
        if type(module) is SoftmaxOverBatch:
            raise ValueError("no such module")
        return column_stays(module)

    told = others(capsys, narrow)
    assert told["On these it raised an error or gave no verdict"] == [
        "softmax over batch"
    ]
