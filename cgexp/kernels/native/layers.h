// Linear layers: the three products that a double backprop makes with a weight, in full precision or in bfloat16.
#pragma once
#include "gemm.h"

// Weight [out, in] of a linear layer, packed for both directions; the bfloat16 copies exist where they are used.
template <class T> struct Weight {
    int64_t out, in;
    const T *forward, *adjoint;
    const bf16_pair *forward_bf16, *adjoint_bf16;
};

// The packed weight [out, in] (both padded) in the workspace; filled from `stored`, unless that is null.
template <class T> Weight<T> pack_weight(const T* stored, int64_t out, int64_t in, bool bf16, Workspace& memory) {
    T *forward = memory.take<T>(out * in), *adjoint = memory.take<T>(out * in);
    bf16_pair *forward_bf16 = nullptr, *adjoint_bf16 = nullptr;
    if (bf16) forward_bf16 = memory.take<bf16_pair>(out * in / 2), adjoint_bf16 = memory.take<bf16_pair>(out * in / 2);
    if (stored) {
        pack<T>(true, in, out, stored, in, forward);
        pack<T>(false, out, in, stored, in, adjoint);
#if defined(__AVX512BF16__)
        if constexpr (sizeof(T) == 4)
            if (bf16) {
                pack_bf16(true, in, out, stored, in, forward_bf16);
                pack_bf16(false, out, in, stored, in, adjoint_bf16);
            }
#endif
    }
    return {out, in, forward, adjoint, forward_bf16, adjoint_bf16};
}

// Products of blocks of at most `max_rows` rows and `max_width` columns. `coarse` asks for bfloat16 factors.
template <class T> class Products {
  public:
    Products(int64_t max_rows, int64_t max_width, Workspace& memory)
        : left_(memory.take<T>((max_rows + 1) * max_width)), right_(memory.take<T>((max_rows + 1) * max_width)) {}

    bool coarse = false;

    // C [rows, out] (+)= A [rows, in] W^T
    void apply(const Weight<T>& w, int64_t rows, const T* a, T* c, bool add) const {
        multiply(rows, w.out, w.in, a, w.forward, w.forward_bf16, c, add);
    }
    // C [rows, in] (+)= A [rows, out] W
    void apply_adjoint(const Weight<T>& w, int64_t rows, const T* a, T* c, bool add) const {
        multiply(rows, w.in, w.out, a, w.adjoint, w.adjoint_bf16, c, add);
    }
    // G [out, in] += A^T B with A [rows, out], B [rows, in]
    void weight_gradient(int64_t rows, int64_t out, int64_t in, const T* a, const T* b, T* g) const {
#if defined(__AVX512BF16__)
        if constexpr (sizeof(T) == 4)
            if (coarse) {
                bf16_pair *left = reinterpret_cast<bf16_pair*>(left_), *right = reinterpret_cast<bf16_pair*>(right_);
                row_pairs_to_bf16(false, rows, out, a, left);
                row_pairs_to_bf16(true, rows, in, b, right);
                product_bf16(out, in, (rows + 1) / 2, left, 1, out, right, g, in, true);
                return;
            }
#endif
        pack<T>(false, rows, in, b, in, right_);
        product<T>(out, in, rows, a, 1, out, right_, g, in, true);
    }
    // g [width] += sum over rows of A [rows, width]
    static void bias_gradient(int64_t rows, int64_t width, const T* a, T* g) {
        for (int64_t f = 0; f < width; f += WIDTH<T>) {
            vec<T> total = at(g + f);
            for (int64_t row = 0; row < rows; row++) total += at(a + row * width + f);
            at(g + f) = total;
        }
    }

  private:
    T *left_, *right_;

    void multiply(int64_t rows, int64_t width, int64_t depth, const T* a, const T* packed, const bf16_pair* packed_bf16,
                  T* c, bool add) const {
#if defined(__AVX512BF16__)
        if constexpr (sizeof(T) == 4)
            if (coarse) {
                bf16_pair* left = reinterpret_cast<bf16_pair*>(left_);
                rows_to_bf16(rows * depth, a, left);
                product_bf16(rows, width, depth / 2, left, depth / 2, 1, packed_bf16, c, width, add);
                return;
            }
#endif
        product<T>(rows, width, depth, a, depth, 1, packed, c, width, add);
    }
};

// C = A * B, element by element
template <class T> void multiply_elements(int64_t n, const T* a, const T* b, T* c) {
    for (int64_t i = 0; i < n; i += WIDTH<T>) at(c + i) = at(a + i) * at(b + i);
}
// C = A * B + D * E, element by element
template <class T> void multiply_add_elements(int64_t n, const T* a, const T* b, const T* d, const T* e, T* c) {
    for (int64_t i = 0; i < n; i += WIDTH<T>) at(c + i) = at(a + i) * at(b + i) + at(d + i) * at(e + i);
}
