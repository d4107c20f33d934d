"""Training in several processes: the first starts the others, which take the run from its folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Trainer

from embloom.assembly import own

WORKER = "_worker"
HANDOVER = ".worker.json"
VARIABLES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PYTHONSAFEPATH", own.VARIABLE)


def is_worker() -> bool:
    """Whether this is one of the further processes."""
    return int(os.environ.get("LOCAL_RANK", 0)) > 0


def prepare_launch(folder: Path, handover: Mapping[str, Any]) -> None:
    """Has Lightning start its further processes as `embloom _worker FOLDER`.

    It would otherwise repeat the command line through Hydra, and each process would compose a configuration and
    choose a folder of its own.

    Args:
        folder: the run folder.
        handover: what `read_handover` returns in each of them.
    """
    (folder / HANDOVER).write_text(json.dumps(handover))
    HydraConfig.instance().cfg = None
    # The script's own folder must not become a place to import from; the user's own parts are where they are here.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ[own.VARIABLE] = os.pathsep.join(own.folders_in_use())
    sys.argv = [str(Path(__file__).parents[1] / "__main__.py"), WORKER, str(folder.resolve())]


@contextmanager
def processes(trainer: Trainer, folder: Path, handover: Mapping[str, Any]) -> Iterator[None]:
    """What a training in several processes needs around it; nothing for one."""
    if trainer.world_size < 2:
        yield
        return
    threads = torch.get_num_threads()
    if trainer.strategy.root_device.type == "cpu":
        share_cores(trainer.world_size)
    if is_worker():
        yield
        return
    command = sys.argv
    prepare_launch(folder, handover)
    try:
        yield
    finally:
        sys.argv = command
        torch.set_num_threads(threads)
        clean_up(folder)


def read_handover(folder: Path) -> dict[str, Any]:
    """What the first process passed on."""
    found: dict[str, Any] = json.loads((folder / HANDOVER).read_text())
    return found


def share_cores(processes: int) -> None:
    """On the CPU, gives each process its part of the cores; all of them for each would be slower than one."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))


def clean_up(folder: Path) -> None:
    """Ends the process group, so that the next run of a sweep starts its own."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    for name in VARIABLES:
        os.environ.pop(name, None)
    (folder / HANDOVER).unlink(missing_ok=True)
