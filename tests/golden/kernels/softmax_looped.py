# softmax_looped: reduction of /softmax
# reads 1 kB, writes 1 kB, 1 k operations a run
import triton
import triton.language as tl


@triton.jit
def larger(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def softmax_looped(x_ptr, y_ptr, BLOCK_X: tl.constexpr, BLOCK_R: tl.constexpr):
    pid_x = tl.program_id(0)
    x = pid_x * BLOCK_X + tl.arange(0, BLOCK_X)
    x_in = x < 7
    high_acc = tl.full((BLOCK_X, BLOCK_R), float("-inf"), tl.float32)
    for r_start in range(0, 50, BLOCK_R):
        r = r_start + tl.arange(0, BLOCK_R)
        r_in = r < 50
        x0 = tl.load(
            x_ptr + (x * 50)[:, None] + r[None, :],
            mask=x_in[:, None] & r_in[None, :],
            other=0.0,
        )
        # %m = reduce_max(%x)
        high_acc = larger(high_acc, tl.where(r_in[None, :], x0, float("-inf")))
    high = tl.reduce(high_acc, 1, larger)
    total_acc = tl.zeros((BLOCK_X, BLOCK_R), tl.float32)
    for r_start in range(0, 50, BLOCK_R):
        r = r_start + tl.arange(0, BLOCK_R)
        r_in = r < 50
        x1 = tl.load(
            x_ptr + (x * 50)[:, None] + r[None, :],
            mask=x_in[:, None] & r_in[None, :],
            other=0.0,
        )
        d1 = x1 - high[:, None]
        e1 = tl.exp(d1)
        # %s = reduce_sum(%e)
        total_acc = total_acc + tl.where(r_in[None, :], e1, 0.0)
    total = tl.sum(total_acc, axis=1)
    for r_start in range(0, 50, BLOCK_R):
        r = r_start + tl.arange(0, BLOCK_R)
        r_in = r < 50
        x2 = tl.load(
            x_ptr + (x * 50)[:, None] + r[None, :],
            mask=x_in[:, None] & r_in[None, :],
            other=0.0,
        )
        d2 = x2 - high[:, None]
        e2 = tl.exp(d2)
        # <- /softmax
        y0 = tl.div_rn(e2, total[:, None])
        tl.store(y_ptr + (x * 50)[:, None] + r[None, :], y0, mask=x_in[:, None] & r_in[None, :])
