// Products of small matrices, row-major, with widths that are multiples of PAD.
//
// A tile of 6 rows and 4 vectors of columns stays in registers while one index is summed. The right-hand side is packed
// into panels of 4 vectors, so that it is read from the nearest cache in order. The order of every sum is fixed.
#pragma once
#include "vector.h"
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

constexpr int TILE_ROWS = 6, TILE_VECTORS = 4;

template <class T> constexpr int64_t PANEL = TILE_VECTORS * WIDTH<T>;

// Columns of panel number p of a matrix `width` wide.
template <class T> inline int64_t panel_width(int64_t width, int64_t first) {
    return width - first < PANEL<T> ? width - first : PANEL<T>;
}

// Packs B [depth, width], or with `transposed` B^T of a stored B [width, depth], panel after panel.
template <class T> void pack(bool transposed, int64_t depth, int64_t width, const T* b, int64_t ldb, T* out) {
    for (int64_t n = 0; n < width; n += PANEL<T>) {
        int64_t columns = panel_width<T>(width, n);
        for (int64_t k = 0; k < depth; k++, out += columns)
            for (int64_t c = 0; c < columns; c++) out[c] = transposed ? b[(n + c) * ldb + k] : b[k * ldb + n + c];
    }
}

// C (+)= sum over k of A(r, k) B(k, :) for R rows and Q vectors of columns.
template <class T, int R, int Q>
inline void tile(int64_t depth, const T* a, int64_t a_row, int64_t a_step, const T* panel, T* c, int64_t ldc, bool add) {
    vec<T> sums[R][Q];
    for (int r = 0; r < R; r++)
        for (int q = 0; q < Q; q++) sums[r][q] = add ? at(c + r * ldc + q * WIDTH<T>) : vec<T>{};
    for (int64_t k = 0; k < depth; k++, panel += Q * WIDTH<T>, a += a_step) {
        vec<T> b[Q];
        for (int q = 0; q < Q; q++) b[q] = at(panel + q * WIDTH<T>);
#pragma GCC unroll 6
        for (int r = 0; r < R; r++) {
            T factor = a[r * a_row];
#pragma GCC unroll 4
            for (int q = 0; q < Q; q++) sums[r][q] += factor * b[q];
        }
    }
    for (int r = 0; r < R; r++)
        for (int q = 0; q < Q; q++) at(c + r * ldc + q * WIDTH<T>) = sums[r][q];
}

// How many rows the next tile takes: six, and at the end no tile of one or two that four would serve.
inline int64_t tile_rows(int64_t left) { return left == 7 || left == 8 ? 4 : (left < TILE_ROWS ? left : TILE_ROWS); }

template <class T, int Q>
void panel_product(int64_t rows, int64_t depth, const T* a, int64_t a_row, int64_t a_step, const T* panel, T* c,
                   int64_t ldc, bool add) {
    for (int64_t m = 0, step; m < rows; m += step) {
        step = tile_rows(rows - m);
        const T* from = a + m * a_row;
        T* to = c + m * ldc;
        switch (step) {
            case 6: tile<T, 6, Q>(depth, from, a_row, a_step, panel, to, ldc, add); break;
            case 5: tile<T, 5, Q>(depth, from, a_row, a_step, panel, to, ldc, add); break;
            case 4: tile<T, 4, Q>(depth, from, a_row, a_step, panel, to, ldc, add); break;
            case 3: tile<T, 3, Q>(depth, from, a_row, a_step, panel, to, ldc, add); break;
            case 2: tile<T, 2, Q>(depth, from, a_row, a_step, panel, to, ldc, add); break;
            default: tile<T, 1, Q>(depth, from, a_row, a_step, panel, to, ldc, add);
        }
    }
}

// C [rows, width] (+)= A B with A(r, k) at a[r a_row + k a_step] and B packed.
template <class T>
void product(int64_t rows, int64_t width, int64_t depth, const T* a, int64_t a_row, int64_t a_step, const T* packed, T* c,
             int64_t ldc, bool add) {
    for (int64_t n = 0; n < width; n += PANEL<T>) {
        switch (panel_width<T>(width, n) / WIDTH<T>) {
            case 4: panel_product<T, 4>(rows, depth, a, a_row, a_step, packed, c + n, ldc, add); break;
            case 3: panel_product<T, 3>(rows, depth, a, a_row, a_step, packed, c + n, ldc, add); break;
            case 2: panel_product<T, 2>(rows, depth, a, a_row, a_step, packed, c + n, ldc, add); break;
            default: panel_product<T, 1>(rows, depth, a, a_row, a_step, packed, c + n, ldc, add);
        }
        packed += depth * panel_width<T>(width, n);
    }
}

// ---- bfloat16: the factors are rounded to 8 bits of mantissa, the sums are float

#if defined(__AVX512BF16__)
constexpr bool HAS_BF16 = true;
typedef uint32_t bf16_pair;  // two neighbours along the summed index

inline uint16_t to_bf16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Pairs of B's rows, in panels: [depth / 2, width] pairs. `depth` is a multiple of PAD.
inline void pack_bf16(bool transposed, int64_t depth, int64_t width, const float* b, int64_t ldb, bf16_pair* out) {
    for (int64_t n = 0; n < width; n += PANEL<float>) {
        int64_t columns = panel_width<float>(width, n);
        for (int64_t k = 0; k < depth; k += 2, out += columns)
            for (int64_t c = 0; c < columns; c++) {
                float low = transposed ? b[(n + c) * ldb + k] : b[k * ldb + n + c];
                float high = transposed ? b[(n + c) * ldb + k + 1] : b[(k + 1) * ldb + n + c];
                out[c] = to_bf16(low) | uint32_t(to_bf16(high)) << 16;
            }
    }
}

// Rows of A as pairs along the row: [rows, depth / 2].
inline void rows_to_bf16(int64_t n, const float* a, bf16_pair* out) {
    for (int64_t i = 0; i < n; i += 16)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(reinterpret_cast<uint16_t*>(out) + i),
                            (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(a + i)));
}

// Neighbouring rows of A [depth, width] interleaved: pairs [depth / 2, width], a last odd row with zeros. With
// `in_panels` in the order of a packed right-hand side.
inline void row_pairs_to_bf16(bool in_panels, int64_t depth, int64_t width, const float* a, bf16_pair* out) {
    int64_t half = (depth + 1) / 2;
    for (int64_t k = 0; k < half; k++)
        for (int64_t f = 0; f < width; f += 16) {
            const float* row = a + 2 * k * width + f;
            __m512 second = 2 * k + 1 < depth ? _mm512_loadu_ps(row + width) : _mm512_setzero_ps();
            __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(row)));
            __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
            int64_t panel = f / PANEL<float> * PANEL<float>;
            int64_t place = in_panels ? panel * half + k * panel_width<float>(width, panel) + f - panel : k * width + f;
            _mm512_storeu_si512(out + place, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
}

template <int R, int Q>
inline void tile_bf16(int64_t half, const bf16_pair* a, int64_t a_row, int64_t a_step, const bf16_pair* panel, float* c,
                      int64_t ldc, bool add) {
    __m512 sums[R][Q];
    for (int r = 0; r < R; r++)
        for (int q = 0; q < Q; q++) sums[r][q] = add ? _mm512_loadu_ps(c + r * ldc + q * 16) : _mm512_setzero_ps();
    for (int64_t k = 0; k < half; k++, panel += Q * 16, a += a_step) {
        __m512bh b[Q];
        for (int q = 0; q < Q; q++) b[q] = (__m512bh)_mm512_loadu_si512(panel + q * 16);
#pragma GCC unroll 6
        for (int r = 0; r < R; r++) {
            __m512bh factor = (__m512bh)_mm512_set1_epi32(int(a[r * a_row]));
#pragma GCC unroll 4
            for (int q = 0; q < Q; q++) sums[r][q] = _mm512_dpbf16_ps(sums[r][q], factor, b[q]);
        }
    }
    for (int r = 0; r < R; r++)
        for (int q = 0; q < Q; q++) _mm512_storeu_ps(c + r * ldc + q * 16, sums[r][q]);
}

template <int Q>
void panel_product_bf16(int64_t rows, int64_t half, const bf16_pair* a, int64_t a_row, int64_t a_step,
                        const bf16_pair* panel, float* c, int64_t ldc, bool add) {
    for (int64_t m = 0, step; m < rows; m += step) {
        step = tile_rows(rows - m);
        const bf16_pair* from = a + m * a_row;
        float* to = c + m * ldc;
        switch (step) {
            case 6: tile_bf16<6, Q>(half, from, a_row, a_step, panel, to, ldc, add); break;
            case 5: tile_bf16<5, Q>(half, from, a_row, a_step, panel, to, ldc, add); break;
            case 4: tile_bf16<4, Q>(half, from, a_row, a_step, panel, to, ldc, add); break;
            case 3: tile_bf16<3, Q>(half, from, a_row, a_step, panel, to, ldc, add); break;
            case 2: tile_bf16<2, Q>(half, from, a_row, a_step, panel, to, ldc, add); break;
            default: tile_bf16<1, Q>(half, from, a_row, a_step, panel, to, ldc, add);
        }
    }
}

inline void product_bf16(int64_t rows, int64_t width, int64_t half, const bf16_pair* a, int64_t a_row, int64_t a_step,
                         const bf16_pair* packed, float* c, int64_t ldc, bool add) {
    for (int64_t n = 0; n < width; n += PANEL<float>) {
        switch (panel_width<float>(width, n) / 16) {
            case 4: panel_product_bf16<4>(rows, half, a, a_row, a_step, packed, c + n, ldc, add); break;
            case 3: panel_product_bf16<3>(rows, half, a, a_row, a_step, packed, c + n, ldc, add); break;
            case 2: panel_product_bf16<2>(rows, half, a, a_row, a_step, packed, c + n, ldc, add); break;
            default: panel_product_bf16<1>(rows, half, a, a_row, a_step, packed, c + n, ldc, add);
        }
        packed += half * panel_width<float>(width, n);
    }
}
#else
constexpr bool HAS_BF16 = false;
typedef uint32_t bf16_pair;
#endif
