"""fusec: a fusing compiler for trained neural networks."""
