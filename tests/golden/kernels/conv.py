# conv: contraction of /conv, /add, /relu
# reads 1 kB, writes 1 kB, 1 k operations a run
import triton
import triton.language as tl


@triton.jit
def conv(
    x_ptr,
    w_ptr,
    b_ptr,
    r_ptr,
    y_ptr,
    BLOCK_M: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    pid = tl.program_id(0)
    pid_m = pid // tl.cdiv(10, BLOCK_N)
    pid_n = pid % tl.cdiv(10, BLOCK_N)
    m = pid_m * BLOCK_M + tl.arange(0, BLOCK_M)
    m_in = m < 144
    n = pid_n * BLOCK_N + tl.arange(0, BLOCK_N)
    n_in = n < 10
    image = m // 72
    oh = m // 9 % 8
    ow = m % 9
    acc = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for k_start in range(0, 54, BLOCK_K):
        k = k_start + tl.arange(0, BLOCK_K)
        k_in = k < 54
        ci = k // 9
        kh = k // 3 % 3
        kw = k % 3
        ih = (oh * 2)[:, None] + (kh - 1)[None, :]
        iw = (ow * 2)[:, None] + (kw - 1)[None, :]
        x0 = tl.load(
            x_ptr
            + (image * 1258 + (m // 9) * 16 + m * 2)[:, None]
            + (ci * 204 + (k // 3) * 14 + k - 18)[None, :],
            mask=m_in[:, None] & k_in[None, :] & (ih >= 0) & (ih < 15) & (iw >= 0) & (iw < 17),
            other=0.0,
        )
        w0 = tl.load(
            w_ptr + k[:, None] + (n * 54)[None, :],
            mask=k_in[:, None] & n_in[None, :],
            other=0.0,
        )
        # %c = conv <- /conv
        acc = tl.dot(x0, w0, acc, input_precision="ieee")
    b0 = tl.load(b_ptr + n, mask=n_in, other=0.0)
    # %y = add <- /conv
    y0 = acc + b0[None, :]
    r0 = tl.load(
        r_ptr + (image * 648 + m)[:, None] + (n * 72)[None, :],
        mask=m_in[:, None] & n_in[None, :],
        other=0.0,
    )
    # %z = add <- /add
    y1 = y0 + r0
    # <- /relu
    y2 = tl.maximum(y1, 0.0, propagate_nan=tl.PropagateNan.ALL)
    tl.store(
        y_ptr + (image * 648 + m)[:, None] + (n * 72)[None, :],
        y2,
        mask=m_in[:, None] & n_in[None, :],
    )
