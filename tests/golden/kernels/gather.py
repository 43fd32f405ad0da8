# gather: move
# reads 1 kB, writes 1 kB, 1 k operations a run
import triton
import triton.language as tl


@triton.jit
def gather(index_ptr, table_ptr, y_ptr, BLOCK_X: tl.constexpr, BLOCK_C: tl.constexpr):
    pid_x = tl.program_id(0)
    x = pid_x * BLOCK_X + tl.arange(0, BLOCK_X)
    x_in = x < 5
    c = tl.arange(0, BLOCK_C)
    c_in = c < 6
    row = tl.load(index_ptr + x, mask=x_in, other=0)
    # %y = gather
    y0 = tl.load(
        table_ptr + (row * 6)[:, None] + c[None, :],
        mask=x_in[:, None] & c_in[None, :],
        other=0.0,
    )
    tl.store(y_ptr + (x * 6)[:, None] + c[None, :], y0, mask=x_in[:, None] & c_in[None, :])
