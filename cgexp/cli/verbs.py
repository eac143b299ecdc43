"""The verbs of the command line, and what each does."""

VERBS = {
    "run": "data, prior, training, simulation, evaluation, figures",
    "data": "make or find the data set and print its data card",
    "train": "fit the prior and train the network",
    "simulate": "simulate a trained potential",
    "evaluate": "metrics and figures of a simulated run",
    "active": "rounds of training, simulation, selection and labelling, within an oracle's budget",
    "export": "run=<folder> [format=xtc|dcd] [every=N] [replicas=0,1,2] [to=DIR]: a simulation for molecular viewers",
    "check": "check a config, build its parts and try one training step; writes nothing",
    "reproduce": "NAME [--experiments DIR] [--update]: runs, figures, table and checked numbers of an experiment",
    "completion": 'print the tab completion for bash or zsh: eval "$(cgexp completion bash)"',
}
