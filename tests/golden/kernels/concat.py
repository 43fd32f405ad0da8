# concat: move
# reads 1 kB, writes 1 kB, 1 k operations a run
import triton
import triton.language as tl


@triton.jit
def concat(a_ptr, b_ptr, y_ptr, BLOCK_X: tl.constexpr):
    pid_x = tl.program_id(0)
    x = pid_x * BLOCK_X + tl.arange(0, BLOCK_X)
    x_in = x < 56
    i = x // 28
    j = x // 4 % 7
    a0 = tl.load(a_ptr + i * 12 + x % 28, mask=x_in & (j < 3), other=0.0)
    b0 = tl.load(b_ptr + i * 16 + x % 28 - 12, mask=x_in & (j - 3 >= 0), other=0.0)
    inside = j < 3
    # %c = concat(%a, %b)
    y0 = tl.where(inside, a0, b0)
    tl.store(y_ptr + x, y0, mask=x_in)
