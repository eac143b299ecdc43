"""Active learning: a loop that trains, simulates and asks an oracle, and the rules that choose what is asked."""
