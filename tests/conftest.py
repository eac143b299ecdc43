from __future__ import annotations

import os

# one thread: reproducible sums, and no slower for networks this small
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "disabled"
# a test sees a GPU only if it is asked for, as by `make gpu-check`: CGEXP_TEST_GPU=0 is the first
os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CGEXP_TEST_GPU", "")
