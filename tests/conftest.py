"""Shared by all tests."""

from __future__ import annotations

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# The tests are spread over the cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")
