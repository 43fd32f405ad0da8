# matmul: contraction
# reads 1 kB, writes 1 kB, 1 k operations a run
import triton
import triton.language as tl


@triton.jit
def matmul(
    a_ptr,
    b_ptr,
    bias_ptr,
    y_ptr,
    rows,
    BLOCK_M: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    pid = tl.program_id(0)
    pid_m = pid // tl.cdiv(29, BLOCK_N)
    pid_n = pid % tl.cdiv(29, BLOCK_N)
    m = pid_m * BLOCK_M + tl.arange(0, BLOCK_M)
    m_in = m < rows
    n = pid_n * BLOCK_N + tl.arange(0, BLOCK_N)
    n_in = n < 29
    acc = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for k_start in range(0, 37, BLOCK_K):
        k = k_start + tl.arange(0, BLOCK_K)
        k_in = k < 37
        a0 = tl.load(
            a_ptr + (m * 37)[:, None] + k[None, :],
            mask=m_in[:, None] & k_in[None, :],
            other=0.0,
        )
        # %e = exp(%a)
        a1 = tl.exp(a0)
        b0 = tl.load(
            b_ptr + (k * 29)[:, None] + n[None, :],
            mask=k_in[:, None] & n_in[None, :],
            other=0.0,
        )
        # %c = matmul(%e, %b)
        acc = tl.dot(tl.where(k_in[None, :], a1, 0.0), b0, acc, input_precision="ieee")
    bias0 = tl.load(bias_ptr + n, mask=n_in, other=0.0)
    sum = acc + bias0[None, :]
    relu = tl.maximum(sum, 0.0, propagate_nan=tl.PropagateNan.ALL)
    tl.store(y_ptr + (m * 29)[:, None] + n[None, :], relu, mask=m_in[:, None] & n_in[None, :])
