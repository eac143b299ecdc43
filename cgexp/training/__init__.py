"""Force matching: data, losses, the training loop. Only this folder imports Lightning."""
