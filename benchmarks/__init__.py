"""The models and commands behind every figure that the README quotes."""
