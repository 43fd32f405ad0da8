"""Device functions in Triton, built from ``tl`` primitives only; copied into generated kernels.

They run compiled on CUDA and HIP and in Triton's interpreter. A suffix says what they compute in.
"""
