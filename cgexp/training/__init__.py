"""Force matching: data, losses, the training loop. Only this room imports Lightning."""
