"""Train a small Vision Permutator on your own pictures.

    python examples/train_folder.py FOLDER --run run.pt --weights mine.safetensors

FOLDER holds train/CLASS/*.jpg and val/CLASS/*.jpg, one folder for each class, as PNG,
JPEG, WebP, BMP or GIF; all are read into memory.  What is learned so far lies in the
file of --run: the same command given again goes on from the last full epoch.

For what does not fit into memory, for more than one GPU, and for all that makes a
recipe better, see train_with_timm.py, which takes the same folder.
"""

import argparse
import json
import sys
from pathlib import Path

from vip_tutorial.networks.checkpoints import save_checkpoint
from vip_tutorial.training import Recipe, fit, small_network
from vip_tutorial.training.data import Scale
from vip_tutorial.training.image_files import class_names, read_folder


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("folder", type=Path, help="holds train/CLASS/ and val/CLASS/")
    add("--run", type=Path, required=True, help="file that the run is kept in")
    add("--weights", type=Path, required=True, help="to write: NAME.safetensors")
    add("--img-size", type=int, default=32, help="side of the images, in pixels")
    add("--patch-size", type=int, default=4, help="side of a patch, in pixels")
    add("--depth", type=int, default=2, help="blocks")
    add("--dim", type=int, default=64, help="channels of a token")
    add("--epochs", type=int, default=15)
    add("--batch", type=int, default=64, help="images in a step")
    add("--lr", type=float, default=1e-3, help="highest learning rate")
    add("--seed", type=int, default=0)
    add("--device", default="cpu", help="e.g. cuda")
    return parser.parse_args()


def main() -> None:
    """Read, train, write the weights."""
    args = arguments()
    recipe = Recipe(epochs=args.epochs, batch=args.batch, lr=args.lr, seed=args.seed)
    train, test = read_folder(args.folder, args.img_size)
    classes, scale = class_names(args.folder), Scale.of(train)
    print(
        f"{len(train.labels)} pictures to train with, {len(test.labels)} to test with"
    )
    print("classes:", ", ".join(classes))
    shape = {"depth": args.depth, "dim": args.dim, "patch_size": args.patch_size}
    model = small_network(train, seed=args.seed, **shape)
    train, test = scale(train), scale(test)
    fit(model, train, test, recipe, device=args.device, resume=args.run)
    # Whoever uses the weights needs these, too.
    notes = {"classes": json.dumps(classes), "scale": json.dumps(scale)}
    save_checkpoint(model, args.weights, **notes)
    print(f"the weights are in {args.weights}")


if __name__ == "__main__":
    try:
        main()
    except (FloatingPointError, ImportError, OSError, ValueError) as fault:
        sys.exit(f"{fault}")
