// The arithmetic that one core can do: fused multiply-adds in registers, which no kernel can beat. For benchmarks.
#include "vector.h"

// Makes `repeats` times CHAINS independent multiply-adds of vectors; returns the floating-point operations done.
extern "C" double peak_f32(int64_t repeats, float factor, float* out) {
    constexpr int CHAINS = VECTOR_BYTES == 64 ? 24 : 10;  // enough to hide the latency, and few enough for registers
    vec<float> sums[CHAINS];
    for (int k = 0; k < CHAINS; k++) sums[k] = vec<float>{} + factor;
    const vec<float> a = vec<float>{} + factor;
    for (int64_t i = 0; i < repeats; i++)
#pragma GCC unroll 24
        for (int k = 0; k < CHAINS; k++) sums[k] = sums[k] * a + a;
    *out = 0;
    for (int k = 0; k < CHAINS; k++) *out += sum<float>(sums[k]);
    return 2.0 * CHAINS * WIDTH<float> * double(repeats);
}
