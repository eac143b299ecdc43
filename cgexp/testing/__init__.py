"""Physics checks to subclass: what every network, prior term, loss, integrator and rule must obey."""
