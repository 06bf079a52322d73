"""Beyond the paper: other token mixers that take the place of `WeightedPermuteMLP`.

    multi_scale   more branches: rows and columns of a coarser grid, or 3 x 3 neighbours
    dynamic       other weights: fixed, the paper's, one for each token; a temperature
    lightweight   fewer weights: low rank, groups, one Linear for height and width
    any_size      a trained network on grids of another size
    export        a network as a file of ONNX, in float32 or with weights of one byte
    experiments   what all of these are worth, measured

Each class is called like a `WeightedPermuteMLP`, and a network takes it by one
argument; what else it wants to know is filled in with `functools.partial`:

    >>> from functools import partial
    >>> from vip_tutorial.mixers.dynamic import DynamicPermuteMLP
    >>> from vip_tutorial.vision_permutator import VisionPermutator
    >>> mixer = partial(DynamicPermuteMLP, weights="token")
    >>> model = VisionPermutator([2], [32], img_size=56, token_mixer=mixer)
"""
