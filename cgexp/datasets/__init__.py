"""Data sets: what a recipe states, how it is made, what ships with the package, frames of your own."""
