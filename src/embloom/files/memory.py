"""How much memory there is."""

from __future__ import annotations

import os
from pathlib import Path

import torch


def bytes_available(device: torch.device | None = None) -> int:
    """Memory that could be taken now; of the machine, where no device is named."""
    if device is not None and device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    # sysconf does not count what caches would give back.
    for line in Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []:
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
