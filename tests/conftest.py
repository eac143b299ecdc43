from __future__ import annotations

import os

# one thread: reproducible sums, and no slower for networks this small
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "disabled"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
