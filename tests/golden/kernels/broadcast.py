# broadcast: pointwise of /bn, /relu
# reads 1 kB, writes 1 kB, 1 k operations a run
import triton
import triton.language as tl


@triton.jit
def broadcast(x_ptr, scale_ptr, shift_ptr, y_ptr, BLOCK_X: tl.constexpr):
    pid_x = tl.program_id(0)
    x = pid_x * BLOCK_X + tl.arange(0, BLOCK_X)
    x_in = x < 210
    c = x // 14 % 5
    # %x
    x0 = tl.load(x_ptr + x, mask=x_in, other=0.0)
    scale = tl.load(scale_ptr + c, mask=x_in, other=0.0)
    # %0 = mul(%x, %scale)
    scaled = x0 * scale
    shift = tl.load(shift_ptr + c, mask=x_in, other=0.0)
    # %1 = add(%0, %b) <- /bn
    y = scaled + shift
    # %2 = relu <- /relu
    relu = tl.maximum(y, 0.0, propagate_nan=tl.PropagateNan.ALL)
    tl.store(y_ptr + x, relu, mask=x_in)
