"""The devices that tests run on, which tests a run takes, and what each starts from."""

import threading
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hypothesis
import pytest
import torch
from hypothesis import Phase

from built_book import build_once

DEVICES = ("cpu", "cuda", "mps", "xpu")
CAUGHT = "which check catches which mutant"

# The same examples in every run: a red test is red again, here and on CI.  Without the
# phase "explain", which is slow with torch and has little to say about it.
hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
hypothesis.settings.load_profile("repeatable")


def why_missing(name: str) -> str | None:
    """Why this machine has no such device; None if it has one."""
    if name == "cpu":
        return None
    if name == "cuda":
        built, found = torch.version.cuda or torch.version.hip, torch.cuda.is_available
    elif name == "mps":
        built, found = torch.backends.mps.is_built(), torch.backends.mps.is_available
    else:
        built = getattr(torch.version, "xpu", None)
        found = torch.xpu.is_available
    if not built:
        return f"no {name}: torch {torch.__version__} is built without it"
    if not found():
        return f"no {name}: torch {torch.__version__} has it, but finds no such device"
    return None


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=DEVICES,
        help="run the device tests on this device alone; fail if it is missing",
    )
    parser.addoption(
        "--all",
        action="store_true",
        help="run the slow tests, too; one that is named by its id runs without it",
    )


def pytest_configure(config):
    name = config.getoption("--device")
    if name and (reason := why_missing(name)):
        raise pytest.UsageError(f"--device {name}: {reason}")
    torch.set_num_threads(1)
    # TF32 rounds the factors of a float32 product to 10 bits: no tolerance for
    # float32 would mean anything.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def pytest_report_header():
    return [
        f"torch {torch.__version__}, {torch.get_num_threads()} thread; TF32 is off: "
        f"matmul precision {torch.get_float32_matmul_precision()!r}, "
        f"cudnn.allow_tf32 {torch.backends.cudnn.allow_tf32}",
        "devices: " + "; ".join(why_missing(d) or _describe(d) for d in DEVICES),
    ]


def _describe(name: str) -> str:
    if name in ("cuda", "xpu"):
        return f"{name} ({getattr(torch, name).get_device_name()})"
    return name


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames:
        name = metafunc.config.getoption("--device")
        here = [each for each in DEVICES if why_missing(each) is None]
        names = [name] if name else here
        metafunc.parametrize("device", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def device(request) -> torch.device:
    """Each device that this machine has; the head of the run says which it lacks."""
    return torch.device(request.param)


# --- The order -----------------------------------------------------------------------

# What takes one of these comes last, in this order.  The book is built meanwhile; and
# once the browser is there, asyncio is not for other tests of the same process.
LAST = ("ran", "browser", "site")


@pytest.hookimpl(trylast=True)  # what -k and -m leave out is not missed
def pytest_collection_modifyitems(config, items):
    leave_out_slow(config, items)
    items.sort(key=lambda item: [name in item.fixturenames for name in reversed(LAST)])


@pytest.fixture(scope="session", autouse=True)
def book(request, tmp_path_factory) -> Callable[[], str]:
    """Call it to wait for the book; it gives what the build complained of."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # one process of several
        folder = folder.parent
    if any("site" in item.fixturenames for item in request.session.items):
        threading.Thread(target=build_once, args=[folder]).start()
    return partial(build_once, folder)


# --- The slow tests ------------------------------------------------------------------

LEFT_OUT = pytest.StashKey[int]()


def leave_out_slow(config, items):
    """Leave the slow tests out, unless they are asked for: all, by mark or by id."""
    if config.getoption("--all") or "slow" in config.getoption("markexpr"):
        return
    named = [arg.partition("::") for arg in config.args if "::" in arg]
    named = [(config.invocation_params.dir / file, name) for file, _, name in named]

    def is_named(item):
        file, name = item.path, item.nodeid.partition("::")[2]
        return any(
            file == f.resolve() and (name == n or name.startswith((f"{n}[", f"{n}::")))
            for f, n in named
        )

    slow = {i for i in items if i.get_closest_marker("slow")} | browsed_alike(items)
    slow = {item for item in slow if not is_named(item)}
    if slow:
        config.hook.pytest_deselected(items=list(slow))
        items[:] = [item for item in items if item not in slow]
    config.stash[LEFT_OUT] = len(slow)
    if hasattr(config, "workeroutput"):  # one process of several: it prints nothing
        config.workeroutput["left out"] = len(slow)


PAGES_A_FILE = 2  # that `make test` opens, a second or two each


def browsed_alike(items) -> set:
    """The tests in a browser that are left out for the time that they take.

    Of a test that runs for many pages or figures one run stays, another for each test;
    and of a file so many tests. So each figure is driven, and each page's kind opened.
    """
    alike = {}
    for item in items:
        if "browser" in item.fixturenames:
            alike.setdefault(item.nodeid.partition("[")[0], []).append(item)
    taken = {}
    for name, group in sorted(alike.items(), key=lambda one: chance(one[0])):
        first = chance(name) % len(group)  # the same for each run
        taken.setdefault(group[0].path, []).append(group[first])
    kept = {item for file in taken.values() for item in file[:PAGES_A_FILE]}
    return {item for group in alike.values() for item in group} - kept


def chance(name: str) -> int:
    return zlib.crc32(name.encode())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    # Each process collects all tests.
    left_out = getattr(node, "workeroutput", {}).get("left out", 0)
    node.config.stash[LEFT_OUT] = left_out


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    result = yield
    left_out = session.config.stash.get(LEFT_OUT, 0)
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if left_out and terminal and not hasattr(session.config, "workerinput"):
        tests = "1 slow test was" if left_out == 1 else f"{left_out} slow tests were"
        # After pytest's own last line, or nobody would see it.
        terminal.write_line(f"{tests} left out: `make test ARGS=--all` runs all.")
    return result


# --- What every test starts from -----------------------------------------------------


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def who_catches_what(record_property):
    """Notes which checks catch a mutant; what is noted is printed at the end."""
    # With the report of the test, so that it arrives from another process too.
    return lambda mutant, checks: record_property(CAUGHT, (mutant, checks))


def pytest_terminal_summary(terminalreporter):
    caught = dict(
        noted
        for report in terminalreporter.getreports("passed")
        + terminalreporter.getreports("failed")
        for name, noted in report.user_properties
        if name == CAUGHT
    )
    if caught:
        terminalreporter.section(CAUGHT)
        width = max(map(len, caught))
        for mutant, checks in sorted(caught.items()):
            told = " ".join(checks) or "NOTHING catches it"
            terminalreporter.line(f"{mutant:{width}}  {told}")


@pytest.fixture(scope="session")
def engine_of():
    """Makes a JavaScript engine that holds some modules of the widgets, and no page."""
    engines = []

    root = Path(__file__).parents[1]
    files = [*root.glob("vip_tutorial/**/*.js"), *root.glob("book/_ext/**/*.js")]
    by_name = {file.name: file for file in files}

    def make(*modules: str):
        engine = pytest.importorskip("py_mini_racer").MiniRacer()
        engines.append(engine)
        from vip_tutorial.lens.figure.bundle import bundle

        engine.eval(bundle(*(by_name.get(name, name) for name in modules)))
        return engine

    yield make
    for engine in engines:
        engine.close()  # one left open may keep Python from ending
