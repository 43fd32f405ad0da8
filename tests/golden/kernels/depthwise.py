# depthwise: window
# reads 1 kB, writes 1 kB, 1 k operations a run
import triton
import triton.language as tl


@triton.jit
def depthwise(x_ptr, w_ptr, y_ptr, BLOCK_X: tl.constexpr):
    pid_x = tl.program_id(0)
    x = pid_x * BLOCK_X + tl.arange(0, BLOCK_X)
    x_in = x < 405
    c = x // 81
    oh = x // 9 % 9
    ow = x % 9
    acc = tl.zeros((BLOCK_X,), tl.float32)
    for t in tl.static_range(9):
        ih = t // 3 + oh - 1
        iw = t % 3 + ow - 1
        x0 = tl.load(
            x_ptr + (t // 3) * 6 + t + x - 10,
            mask=x_in & (ih >= 0) & (ih < 9) & (iw >= 0) & (iw < 9),
            other=0.0,
        )
        w0 = tl.load(w_ptr + t + c * 9, mask=x_in, other=0.0)
        p = x0 * w0
        acc = acc + p
    tl.store(y_ptr + x, acc, mask=x_in)
