"""Train a Vision Permutator on a folder of images, by one process or many.

    python examples/train_folder.py FOLDER --checkpoint run.pt
    torchrun --standalone --nproc-per-node=2 --max-restarts=3 \
        examples/train_folder.py FOLDER --checkpoint run.pt

FOLDER holds train/CLASS/*.png and val/CLASS/*.png (or .jpg), one folder for each class.

However many processes there are, they share one *global* batch, and the loss is the
mean over it.  So two processes with 32 images each take the same steps as one with 64,
up to rounding; --drop-path, which is random, is the exception.  What is learned so far
lies in the file of --checkpoint, written whole or not at all; the same command given
again goes on from there, also with another number of processes.  When a worker dies,
torchrun with --max-restarts starts all of them anew, and they do the same.
"""

import argparse
import io
import math
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from vip_tutorial.checkpoints import write_atomically
from vip_tutorial.vision_permutator import VisionPermutator

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels
ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("folder", type=Path, help="holds train/CLASS/ and val/CLASS/")
    add("--checkpoint", type=Path, required=True, help="file that the run is kept in")
    add("--img-size", type=int, default=56, help="side of the images, in pixels")
    add("--patch-size", type=int, default=7, help="side of a patch, in pixels")
    add("--depth", type=int, default=2, help="blocks")
    add("--dim", type=int, default=64, help="channels of a token")
    add("--epochs", type=int, default=10)
    add("--batch", type=int, default=64, help="images in a step, of all processes")
    add("--lr", type=float, default=1e-3, help="learning rate for --lr-batch images")
    add("--lr-batch", type=int, default=1024, help="the paper's: lr * batch / 1024")
    add("--weight-decay", type=float, default=0.05)
    add("--warmup", type=int, default=1, help="epochs in which the rate rises")
    add("--drop-path", type=float, default=0.0, help="stochastic depth")
    add("--seed", type=int, default=0)
    add("--save-every", type=int, default=100, help="steps between two saves")
    add("--at-most", type=int, help="save and end after so many steps: for a queue")
    return parser.parse_args()


@dataclass
class Pictures:
    """The images of one part, by path, with the number of their class."""

    paths: list[Path]
    labels: list[int]
    classes: list[str]
    size: int

    @classmethod
    def of(cls, folder: Path, size: int) -> "Pictures":
        """The images below `folder`, a folder for each class.

        Raises:
            SystemExit: If there are none.
        """
        names = sorted(f.name for f in folder.iterdir()) if folder.is_dir() else []
        found = [
            (path, number)
            for number, name in enumerate(names)
            for path in sorted((folder / name).glob("*"))
            if path.suffix.lower() in ENDINGS
        ]
        if not found:
            sys.exit(
                f"{folder} has no images: it must hold a folder for each class, with "
                f"files that end in {', '.join(sorted(ENDINGS))}"
            )
        paths, labels = map(list, zip(*found))
        return cls(paths, labels, names, size)

    def batch(self, numbers: list[int]) -> tuple[Tensor, Tensor]:
        """Some of the images `(count, 3, size, size)`, standardised; their labels."""
        pictures = []
        for number in numbers:
            path = self.paths[number]
            try:
                with Image.open(path) as image:
                    # To a square: the shorter side decides, the middle is kept.
                    side = min(image.size)
                    left, top = ((length - side) // 2 for length in image.size)
                    box = (left, top, left + side, top + side)
                    image = image.convert("RGB").resize((self.size, self.size), box=box)
            except OSError as fault:
                sys.exit(f"{path} is no image that can be read ({fault}): remove it")
            pictures.append(torch.from_numpy(np.array(image)))  # (size, size, 3)
        pixels = torch.stack(pictures).permute(0, 3, 1, 2) / 255
        mean, std = (torch.tensor(n).reshape(3, 1, 1) for n in (MEAN, STD))
        labels = torch.tensor([self.labels[number] for number in numbers])
        return (pixels - mean) / std, labels


def steps_of(epoch: int, count: int, batch: int, seed: int) -> Iterator[list[int]]:
    """The images of each step: the same in every process; a rest is left out."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(count, generator=generator).tolist()
    for start in range(0, count - batch + 1, batch):
        yield order[start : start + batch]


def rate(step: int, warmup: int, total: int) -> float:
    """Share of the learning rate: up along a line, then down along half a cosine."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def save(path: Path, content: dict) -> None:
    """Write the run; what was there stays until the new file is whole.

    Raises:
        SystemExit: If it cannot be written, e.g. since the disk is full.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as fault:
        sys.exit(f"{path} cannot be written ({fault}); the last save is still there")


def load(path: Path, settings: dict) -> dict | None:
    """The run so far, if there is one.

    Raises:
        SystemExit: If the file is damaged, or of a run with other settings.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        was = content["settings"]
    except Exception as fault:  # any damage at all
        sys.exit(f"{path} is no run that can go on ({fault}): move it away")
    differ = [name for name in settings if was.get(name) != settings[name]]
    if differ:
        told = ", ".join(f"{n} {was.get(n)}, now {settings[n]}" for n in differ)
        sys.exit(f"{path} is of another run ({told}): name another --checkpoint")
    return content


@torch.no_grad()
def accuracy(model: nn.Module, pictures: Pictures, rank: int, world: int, device):
    """Share of the images that are classified right; each process asks about some."""
    model.eval()
    counts = torch.zeros(2, device=device)
    mine = list(range(rank, len(pictures.paths), world))
    for start in range(0, len(mine), 256):
        images, labels = pictures.batch(mine[start : start + 256])
        guesses = model(images.to(device)).argmax(dim=1).cpu()
        counts += torch.tensor([(guesses == labels).sum(), len(labels)]).to(device)
    if world > 1:
        dist.all_reduce(counts)
    model.train()
    return (counts[0] / counts[1]).item()


def main() -> None:
    """Train, in this process or, started by torchrun, in this one of many."""
    args = arguments()
    world, rank = (
        int(os.environ.get(k, d)) for k, d in (("WORLD_SIZE", 1), ("RANK", 0))
    )
    gpu = torch.cuda.is_available()
    device = torch.device("cpu")
    if gpu:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if args.batch % world:
        sys.exit(
            f"--batch is {args.batch}, for all {world} processes together: it must be "
            f"a multiple of {world}, e.g. {args.batch // world * world or world}"
        )
    train = Pictures.of(args.folder / "train", args.img_size)
    val = Pictures.of(args.folder / "val", args.img_size)
    if train.classes != val.classes:
        sys.exit(f"train has the classes {train.classes} and val {val.classes}")
    each = len(train.paths) // args.batch  # steps of an epoch
    if not each:
        sys.exit(f"--batch is {args.batch} and there are {len(train.paths)} images")
    if world > 1:
        store, _, _ = next(dist.rendezvous("env://"))
        # torchrun keeps its store when it starts the workers anew: under a prefix of
        # its own a start doesn't find the addresses of those that are gone.
        start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = dist.PrefixStore(f"start-{start}", store)
        backend = "nccl" if gpu else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=world)

    torch.manual_seed(args.seed)
    model = VisionPermutator(
        [args.depth],
        [args.dim],
        patch_size=args.patch_size,
        img_size=args.img_size,
        num_classes=len(train.classes),
        drop_path_rate=args.drop_path,
    ).to(device)
    lr = args.lr * args.batch / args.lr_batch
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=lr, weight_decay=args.weight_decay
    )
    free = ("folder", "checkpoint", "save_every", "at_most")  # to change on the way
    settings = {k: v for k, v in vars(args).items() if k not in free}
    settings |= {"images": len(train.paths), "classes": train.classes}
    history: dict[str, list[float]] = {"loss": [], "accuracy": []}
    if content := load(args.checkpoint, settings):
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        history = content["history"]
    done = len(history["loss"])
    total = args.epochs * each
    if rank == 0:
        print(
            f"{len(train.paths)} images, {len(train.classes)} classes; {world} x "
            f"{args.batch // world} images a step, learning rate {lr:.2e}, from step "
            f"{done} of {total}",
            flush=True,
        )

    # Of the patch embedding, whose gradient lies in memory in another order: harmless.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view")
    parallel = DistributedDataParallel(model) if world > 1 else model

    def keep() -> None:
        if rank == 0:
            save(
                args.checkpoint,
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "history": history,
                    "settings": settings,
                },
            )

    for epoch in range(len(history["accuracy"]), args.epochs):
        steps = steps_of(epoch, len(train.paths), args.batch, args.seed)
        for number, together in enumerate(steps, epoch * each):
            if number < len(history["loss"]):
                continue  # taken before the interruption
            # Whatever is random in a step is the same if the step is taken again.
            torch.manual_seed((args.seed * 1_000_003 + number) * world + rank)
            images, labels = train.batch(together[rank::world])
            for group in optimizer.param_groups:
                group["lr"] = lr * rate(number, args.warmup * each, total)
            # DDP averages the gradients of processes that have as many images each.
            loss = cross_entropy(parallel(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean = loss.detach()
            if world > 1:
                dist.all_reduce(mean, dist.ReduceOp.AVG if gpu else dist.ReduceOp.SUM)
                mean = mean if gpu else mean / world
            if not mean.isfinite():
                sys.exit(f"the loss is {mean.item()} at step {number}: lower --lr")
            history["loss"].append(mean.item())
            ends = args.at_most is not None and number + 1 == done + args.at_most
            if ends or (number + 1) % args.save_every == 0:
                keep()
            if ends:
                return
        history["accuracy"].append(accuracy(model, val, rank, world, device))
        keep()
        if rank == 0:
            recent = history["loss"][-each:]
            print(
                f"epoch {epoch + 1:3} of {args.epochs}   loss "
                f"{sum(recent) / each:.3f}   val {history['accuracy'][-1]:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
    if dist.is_initialized():
        dist.destroy_process_group()
