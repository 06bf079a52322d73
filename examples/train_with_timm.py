"""timm's own training script, with the Vision Permutators known to it.

In a clone of the book's repository:

    pip install timm .
    git clone https://github.com/huggingface/pytorch-image-models
    python -m vip_tutorial.networks.recipe vip_s7 --gpus 8 --per-gpu 256 > vip_s7.yaml
    torchrun --nproc-per-node=8 examples/train_with_timm.py \
        pytorch-image-models/train.py --config vip_s7.yaml --data-dir IMAGENET

What stands behind the path of `train.py` is passed on to it.
"""

import runpy
import sys
from pathlib import Path

try:
    import vip_tutorial.networks.timm  # noqa: F401  registers the models
except ModuleNotFoundError as fault:
    sys.exit(f"{fault}: in a clone of the book's repository, run `pip install timm .`")
if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
    sys.exit("give the path of timm's train.py first, then its arguments")
sys.argv = sys.argv[1:]
sys.path.insert(0, str(Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
