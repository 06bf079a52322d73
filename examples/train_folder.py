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
import hashlib
import io
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from vip_tutorial.vision_permutator import VisionPermutator
from vip_tutorial.weight_files import write_atomically

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels
ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, some, real = parser.add_argument, bounded(int, 1), bounded(float, 0)
    add("folder", type=Path, help="holds train/CLASS/ and val/CLASS/")
    add("--checkpoint", type=Path, required=True, help="file that the run is kept in")
    add("--img-size", type=some, default=56, help="side of the images, in pixels")
    add("--patch-size", type=some, default=7, help="side of a patch, in pixels")
    add("--depth", type=some, default=2, help="blocks")
    add("--dim", type=some, default=64, help="channels of a token")
    add("--epochs", type=some, default=10)
    add("--batch", type=some, default=64, help="images in a step, of all processes")
    add("--lr", type=real, default=1e-3, help="learning rate for --lr-batch images")
    add("--lr-batch", type=some, default=1024, help="the paper's: lr * batch / 1024")
    add("--weight-decay", type=real, default=0.05)
    add("--warmup", type=bounded(int, 0), default=1, help="epochs in which --lr rises")
    add("--drop-path", type=bounded(float, 0, 1), default=0.0, help="stochastic depth")
    add("--seed", type=bounded(int, 0, 2**32), default=0)
    add("--save-every", type=some, default=100, help="steps between two saves")
    add("--at-most", type=some, help="save and end after so many steps: for a queue")
    return parser.parse_args()


def bounded(kind: type, low: float, high: float = math.inf) -> Callable[[str], float]:
    """A type for argparse: an int or a float from `low` to below `high`."""

    def number(text: str) -> float:
        value = kind(text)  # what is no number argparse tells by itself
        if not low <= value < high:
            told = f"it is {text}; it must be at least {low} and below {high}"
            raise argparse.ArgumentTypeError(told)
        return value

    return number


@dataclass
class Team:
    """The processes that share each step, and the place of this one among them."""

    world: int
    rank: int
    device: torch.device

    @classmethod
    def here(cls) -> "Team":
        """As torchrun says it; where it says nothing, a single process."""
        names = (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0))
        world, rank, local = (int(os.environ.get(*name)) for name in names)
        if not torch.cuda.is_available():
            return cls(world, rank, torch.device("cpu"))
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
        return cls(world, rank, device)

    def meet(self) -> None:
        """Wait for the others."""
        if self.world == 1:
            return
        store, _, _ = next(dist.rendezvous("env://"))
        # torchrun keeps its store when it starts the workers anew: under a prefix of
        # its own a start doesn't find the addresses of those that are gone.
        start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        dist.init_process_group(
            "nccl" if self.device.type == "cuda" else "gloo",
            store=dist.PrefixStore(f"start-{start}", store),
            rank=self.rank,
            world_size=self.world,
        )

    def total(self, x: Tensor) -> Tensor:
        """The sum of what each process has in `x`, in place."""
        if self.world > 1:
            dist.all_reduce(x)
        return x


@dataclass
class Pictures:
    """The images of one part, by path, with the number of their class."""

    paths: list[Path]
    labels: list[int]
    classes: list[str]
    size: int

    @classmethod
    def of(cls, folder: Path, size: int) -> "Pictures":
        """The images below `folder`, a folder for each class; each is tried.

        Raises:
            SystemExit: If a class has none, or something cannot be read.
        """
        try:
            seen = [name for name in sorted(os.listdir(folder)) if name[0] != "."]
            names = [name for name in seen if (folder / name).is_dir()]
            found = [
                (folder / name / file, number)
                for number, name in enumerate(names)
                for file in sorted(os.listdir(folder / name))
                if Path(file).suffix.lower() in ENDINGS
            ]
        except OSError as fault:
            sys.exit(f"{folder} must hold a folder for each class to read: {fault}")
        empty = sorted(set(names) - {names[number] for _, number in found})
        if empty or len(names) < 2:
            sys.exit(
                f"{folder} has the classes {names} and no images of {empty}: it must "
                "hold a folder for each of two classes or more, with files that end in "
                + ", ".join(sorted(ENDINGS))
            )
        paths, labels = map(list, zip(*found))
        # Before the first step: a run that has begun can't go on without an image.
        if faults := list(unreadable(paths, size)):
            sys.exit(
                "\n".join(["no image can be read from these files:", *faults])
                + "\nremove them before a run begins; one that goes on needs them whole"
            )
        return cls(paths, labels, names, size)

    def batch(self, numbers: list[int]) -> tuple[Tensor, Tensor]:
        """Some of the images `(count, 3, size, size)`, standardised; their labels."""
        pictures = [pixels(self.paths[number], self.size) for number in numbers]
        images = torch.stack(pictures).permute(0, 3, 1, 2) / 255
        mean, std = (torch.tensor(n).reshape(3, 1, 1) for n in (MEAN, STD))
        labels = torch.tensor([self.labels[number] for number in numbers])
        return (images - mean) / std, labels


def pixels(path: Path, size: int) -> Tensor:
    """One image as a square, `(size, size, 3)`: its shorter side decides."""
    with Image.open(path) as image:
        side = min(image.size)
        left, top = ((length - side) // 2 for length in image.size)  # keep the middle
        box = (left, top, left + side, top + side)
        image = image.convert("RGB").resize((size, size), box=box)
    return torch.from_numpy(np.array(image))


def unreadable(paths: list[Path], size: int) -> Iterator[str]:
    """Each file that is no image, and why."""
    for path in paths:
        try:
            pixels(path, size)
        except Exception as fault:  # each format of Pillow has its own
            yield f"  {path} ({fault})"


@dataclass
class Run:
    """What is learned, and the loss of each step and the accuracy after each epoch."""

    path: Path
    settings: dict[str, object]
    model: nn.Module
    optimizer: torch.optim.Optimizer
    history: dict[str, list[float]]

    @classmethod
    def of(cls, args: argparse.Namespace, team: Team, *data: Pictures) -> "Run":
        """As the command line says it, taken up again if the file is there.

        Raises:
            SystemExit: If there is no such network, or the file is of another run.
        """
        free = ("folder", "checkpoint", "save_every", "at_most")  # to change on the way
        settings = {k: v for k, v in vars(args).items() if k not in free}
        paths = [p.relative_to(args.folder).as_posix() for d in data for p in d.paths]
        names = hashlib.sha256(os.fsencode("\n".join(paths))).hexdigest()[:8]
        settings["images"] = f"{len(paths)} (names {names})"
        classes = settings["classes"] = data[0].classes
        torch.manual_seed(args.seed)
        try:
            model = VisionPermutator(
                [args.depth],
                [args.dim],
                patch_size=args.patch_size,
                img_size=args.img_size,
                num_classes=len(classes),
                drop_path_rate=args.drop_path,
            ).to(team.device)
        except (ValueError, RuntimeError) as fault:
            sys.exit(f"there is no such network: {fault}")
        optimizer = torch.optim.AdamW(
            model.parameters(), args.lr, weight_decay=args.weight_decay
        )
        history = {"loss": [], "accuracy": []}
        run = cls(args.checkpoint, settings, model, optimizer, history)
        run.load()
        return run

    def load(self) -> None:
        """Go on with what the file holds, if there is one."""
        try:
            if not self.path.exists():
                return
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            was = content["settings"]
            differ = [
                f"{name} {was.get(name)}, now {now}"
                for name, now in self.settings.items()
                if was.get(name) != now
            ]
            if not differ:
                self.model.load_state_dict(content["model"])
                self.optimizer.load_state_dict(content["optimizer"])
                self.history = {k: list(content["history"][k]) for k in self.history}
        except Exception as fault:  # any damage at all
            told = f"{type(fault).__name__}: {' '.join(str(fault).split())}"
            sys.exit(f"{self.path} is no run that can go on ({told}): move it away")
        if differ:
            sys.exit(
                f"{self.path} is of another run ({'; '.join(differ)}): with other "
                "settings or images a run begins anew, so name another --checkpoint"
            )

    def save(self) -> None:
        """Write the file; what was there stays until the new one is whole."""
        content = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "settings": self.settings,
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with writing(self.path):
            write_atomically(self.path, buffer.getvalue())


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make a sentence of what goes wrong, e.g. since the disk is full."""
    try:
        yield
    except OSError as fault:
        kept = "; the last save is still there" if os.path.exists(path) else ""
        sys.exit(f"{path} cannot be written ({fault}){kept}")


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


def step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    team: Team,
) -> float:
    """Learn from this process's images; the mean loss over those of all."""
    # DDP averages the gradients of processes that have as many images each.
    loss = cross_entropy(model(images.to(team.device)), labels.to(team.device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return team.total(loss.detach()).item() / team.world


@torch.no_grad()
def accuracy(model: nn.Module, pictures: Pictures, team: Team) -> float:
    """Share of the images that are classified right; each process asks about some."""
    model.eval()
    counts = torch.zeros(2, device=team.device)
    mine = list(range(team.rank, len(pictures.paths), team.world))
    for start in range(0, len(mine), 256):
        images, labels = pictures.batch(mine[start : start + 256])
        guesses = model(images.to(team.device)).argmax(dim=1).cpu()
        counts += torch.tensor([(guesses == labels).sum(), len(labels)]).to(counts)
    model.train()
    right, asked = team.total(counts).tolist()
    return right / asked


def go_on(
    args: argparse.Namespace, team: Team, run: Run, train: Pictures, val: Pictures
) -> None:
    """Take the steps that are left, and save on the way."""
    each = len(train.paths) // args.batch  # steps of an epoch
    first, lr = len(run.history["loss"]), args.lr * args.batch / args.lr_batch
    if team.rank == 0:
        print(
            f"{len(train.paths)} images, {len(train.classes)} classes; {team.world} x "
            f"{args.batch // team.world} images a step, learning rate {lr:.2e}, from "
            f"step {first} of {args.epochs * each}",
            flush=True,
        )
    # Of the patch embedding, whose gradient lies in memory in another order: harmless.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view")
    model = DistributedDataParallel(run.model) if team.world > 1 else run.model
    for epoch in range(len(run.history["accuracy"]), args.epochs):
        steps = steps_of(epoch, len(train.paths), args.batch, args.seed)
        for number, together in enumerate(steps, epoch * each):
            if number < first:
                continue  # taken before the interruption
            # Whatever is random in a step is the same if the step is taken again.
            torch.manual_seed((args.seed * 1_000_003 + number) * team.world + team.rank)
            images, labels = train.batch(together[team.rank :: team.world])
            for group in run.optimizer.param_groups:
                group["lr"] = lr * rate(number, args.warmup * each, args.epochs * each)
            loss = step(model, run.optimizer, images, labels, team)
            if not math.isfinite(loss):
                sys.exit(f"the loss is {loss} at step {number}: lower --lr")
            run.history["loss"].append(loss)
            ends = number + 1 - first == args.at_most
            if team.rank == 0 and (ends or (number + 1) % args.save_every == 0):
                run.save()
            if ends:
                return
        run.history["accuracy"].append(accuracy(run.model, val, team))
        if team.rank == 0:
            run.save()
            print(
                f"epoch {epoch + 1:3} of {args.epochs}   loss "
                f"{sum(run.history['loss'][-each:]) / each:.3f}   val "
                f"{run.history['accuracy'][-1]:.1%}",
                flush=True,
            )


def main() -> None:
    """Train, in this process or, started by torchrun, in this one of many."""
    args, team = arguments(), Team.here()
    if args.batch % team.world:
        sys.exit(
            f"--batch is {args.batch}, for all {team.world} processes together: it "
            f"must be a multiple of {team.world}, e.g. "
            f"{args.batch // team.world * team.world or team.world}"
        )
    if team.rank == 0:
        with writing(args.checkpoint):  # now, and not at the first save
            tempfile.TemporaryFile(dir=args.checkpoint.parent).close()
    train, val = (
        Pictures.of(args.folder / part, args.img_size) for part in ("train", "val")
    )
    if train.classes != val.classes:
        sys.exit(f"train has the classes {train.classes} and val {val.classes}")
    if len(train.paths) < args.batch:
        sys.exit(f"--batch is {args.batch} and there are {len(train.paths)} images")
    run = Run.of(args, team, train, val)
    team.meet()
    go_on(args, team, run, train, val)


if __name__ == "__main__":
    main()
    if dist.is_initialized():
        dist.destroy_process_group()
