"""Module names of version 0.1: they still import, warn, and go with version 0.3."""

import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

NOW = {
    "ablations": "experiments.ablations",
    "beyond": "mixers",
    "beyond.any_size": "mixers.any_size",
    "beyond.dynamic": "mixers.dynamic",
    "beyond.experiments": "experiments.mixers",
    "beyond.export": "networks.onnx",
    "beyond.lightweight": "mixers.lightweight",
    "beyond.multi_scale": "mixers.multi_scale",
    "branch_experiment": "experiments.branches",
    "branch_importance": "study.branch_importance",
    "branch_weights": "study.branch_weights",
    "bundled": "networks.pretrained",
    "chance": "study.permutation_test",
    "checkpoints": "networks.checkpoints",
    "contract": "study.faults.checks",
    "counting": "study.cost",
    "data": "training.data",
    "evidence": "study.faults.views",
    "fast": "mixers.fast",
    "image_files": "training.image_files",
    "imagenet": "networks.recipe",
    "measured": "experiments.results",
    "mixers.experiments": "experiments.mixers",  # from vip_tutorial.beyond import it
    "mixers.export": "networks.onnx",
    "mutants": "study.faults.mutants",
    "oracles": "study.oracles",
    "reach": "study.reach",
    "reduced": "mixers.fewer_branches",
    "runs": "training.resume",
    "tasks": "training.tasks",
    "timing": "study.timing",
    "timm_models": "networks.timm",
    "token_mixers": "mixers.rivals",
    "tracing": "lens.tracing",
    "weight_files": "networks.weight_files",
    "widgets": "figures",
}


class _Moved(MetaPathFinder, Loader):
    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        package, _, module = name.partition(".")
        known = package == __package__ and module in NOW
        return spec_from_loader(name, self) if known else None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        new = f"{__package__}.{NOW[old.partition('.')[2]]}"
        warnings.warn(f"{old} is {new} now", FutureWarning, stacklevel=2)
        __import__(new)
        vars(module).update(vars(sys.modules[new]))  # for threads that wait for it
        sys.modules[old] = sys.modules[new]  # what `import` then gives

    def get_code(self, name: str) -> None:
        new = NOW[name.partition(".")[2]]
        raise ImportError(f"run it by its new name: python -m {__package__}.{new}")


# First, since `beyond` is a real package by now and would find its modules twice.
sys.meta_path.insert(0, _Moved())
