// Continuous-filter convolution over all pairs i < j of one frame, and what belongs to it. The filter is symmetric.
//
// Rows: a pair's filter G or its slope D [n_pairs, width], pairs ordered by i, then j; a bead's features [n_beads, width].
#pragma once
#include "vector.h"

// Features of beads, frame after frame; the same for all frames where the stride is 0.
template <class T> struct Rows {
    const T* first;
    int64_t stride;
    const T* of(int64_t frame) const { return first + frame * stride; }
};

// Index of pair (i, j) is pair_row(i, n) + j.
inline int64_t pair_row(int64_t i, int64_t n_beads) { return i * n_beads - i * (i + 1) / 2 - i - 1; }

// m_i = sum over j of w_ij * x_j, for beads [begin, begin + R) as i or j and all beads behind `begin`. `weigh(p, i, j)`
// gives what pair p adds to i and to j. Sums of the R beads stay in registers.
template <class T, int R, class Weigh>
inline void convolve_rows(int64_t begin, int64_t n_beads, int64_t width, int64_t f, T* m, const Weigh& weigh) {
    vec<T> sums[R];
    for (int r = 0; r < R; r++) sums[r] = at(m + (begin + r) * width + f);
    for (int r = 0; r < R; r++)
        for (int s = r + 1; s < R; s++) {
            vec<T> to_i, to_j;
            weigh(pair_row(begin + r, n_beads) + begin + s, begin + r, begin + s, to_i, to_j);
            sums[r] += to_i;
            sums[s] += to_j;
        }
    for (int64_t j = begin + R; j < n_beads; j++) {
        vec<T> other = at(m + j * width + f);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
            vec<T> to_i, to_j;
            weigh(pair_row(begin + r, n_beads) + j, begin + r, j, to_i, to_j);
            sums[r] += to_i;
            other += to_j;
        }
        at(m + j * width + f) = other;
    }
    for (int r = 0; r < R; r++) at(m + (begin + r) * width + f) = sums[r];
}

template <class T, class Weigh>
inline void convolve_with(int64_t n_beads, int64_t width, T* m, const Weigh& weigh_at) {
    for (int64_t f = 0; f < width; f += WIDTH<T>) {
        for (int64_t i = 0; i < n_beads; i++) at(m + i * width + f) = vec<T>{};
        auto weigh = weigh_at(f);
        int64_t i = 0;
        for (; i + 4 <= n_beads; i += 4) convolve_rows<T, 4>(i, n_beads, width, f, m, weigh);
        if (n_beads - i == 3) convolve_rows<T, 3>(i, n_beads, width, f, m, weigh);
        if (n_beads - i == 2) convolve_rows<T, 2>(i, n_beads, width, f, m, weigh);
    }
}

// m_i = sum over j of G_ij y_j. It is its own adjoint.
template <class T> void convolve(int64_t n_beads, int64_t width, const T* filter, const T* y, T* m) {
    convolve_with<T>(n_beads, width, m, [=](int64_t f) {
        return [=](int64_t p, int64_t i, int64_t j, vec<T>& to_i, vec<T>& to_j) {
            vec<T> g = at(filter + p * width + f);
            to_i = g * at(y + j * width + f);
            to_j = g * at(y + i * width + f);
        };
    });
}

// m_i = sum over j of G_ij a_j + s_ij D_ij b_j: the tangent of the convolution of b when pair distances move by s and b
// by a. Without a (nullptr) the first part is left out.
template <class T>
void convolve_tangent(int64_t n_beads, int64_t width, const T* filter, const T* slope, const T* s, const T* a, const T* b,
                      T* m) {
    if (a)
        convolve_with<T>(n_beads, width, m, [=](int64_t f) {
            return [=](int64_t p, int64_t i, int64_t j, vec<T>& to_i, vec<T>& to_j) {
                vec<T> g = at(filter + p * width + f), d = s[p] * at(slope + p * width + f);
                to_i = g * at(a + j * width + f) + d * at(b + j * width + f);
                to_j = g * at(a + i * width + f) + d * at(b + i * width + f);
            };
        });
    else
        convolve_with<T>(n_beads, width, m, [=](int64_t f) {
            return [=](int64_t p, int64_t i, int64_t j, vec<T>& to_i, vec<T>& to_j) {
                vec<T> d = s[p] * at(slope + p * width + f);
                to_i = d * at(b + j * width + f);
                to_j = d * at(b + i * width + f);
            };
        });
}

// u_p += sum over features of (m_i y_j + m_j y_i) D_p with m the adjoint of the convolution of y: dU/dr of a pair.
template <class T>
void contract_slope(int64_t n_beads, int64_t width, const T* slope, const T* y, const T* m, T* u) {
    for (int64_t i = 0, p = 0; i < n_beads; i++)
        for (int64_t j = i + 1; j < n_beads; j++, p++) {
            vec<T> total{};
            for (int64_t f = 0; f < width; f += WIDTH<T>)
                total += (at(m + i * width + f) * at(y + j * width + f) + at(m + j * width + f) * at(y + i * width + f)) *
                         at(slope + p * width + f);
            u[p] += sum<T>(total);
        }
}

// ---- the filter as a cubic Hermite spline in x(r): rows 2k and 2k + 1 of the table hold value and slope at knot k

// Knots are even in x(r) = (1 - exp(-decay r)) / decay + even r, or with decay = 0 in x = even r.
template <class T> struct Spline {
    int64_t n_knots;
    T start, spacing, decay, even;
    T end;  // distances beyond it (the cutoff, where the filter ends) count as it
};

template <class T, class Shape> Spline<T> spline_of(const Shape& s) {
    return {s.n_knots, T(s.start), T(s.spacing), T(s.decay), T(s.even), T(s.end)};
}

// The distance of two beads, and the unit vector from xj to xi.
template <class T> inline T unit_vector(const T* xi, const T* xj, T* normal) {
    T d[3] = {xi[0] - xj[0], xi[1] - xj[1], xi[2] - xj[2]};
    T r = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    for (int k = 0; k < 3; k++) normal[k] = d[k] / r;
    return r;
}

// Knot and weights of one distance. Value: sum of w_q table[2 knot + q]; slope dG/dr: sum of dw_q table[2 knot + q].
template <class T> inline void spline_weights(const Spline<T>& spline, T r, int32_t* knot, T* w, T* dw) {
    const bool beyond = r >= spline.end;
    const T inside = beyond ? spline.end : r, h = spline.spacing, last = T(spline.n_knots - 2);
    const T fall = spline.decay > 0 ? std::exp(-spline.decay * inside) : T(0);
    const T x = (spline.decay > 0 ? (1 - fall) / spline.decay : T(0)) + spline.even * inside;
    const T dx = beyond ? T(0) : fall + spline.even;  // dx/dr
    T z = (x - spline.start) / h, k = std::floor(z);
    k = k >= 0 ? (k <= last ? k : last) : T(0);  // T(0) also for what is not a number
    T t = z - k;
    *knot = int32_t(k);
    w[0] = (2 * t - 3) * t * t + 1;
    w[1] = ((t - 2) * t + 1) * t * h;
    w[2] = (3 - 2 * t) * t * t;
    w[3] = (t - 1) * t * t * h;
    dw[0] = dx * 6 * (t - 1) * t / h;
    dw[1] = dx * ((3 * t - 4) * t + 1);
    dw[2] = -dw[0];
    dw[3] = dx * (3 * t - 2) * t;
}

// G and D of all pairs of one frame from a block's table.
template <class T>
void interpolate(int64_t n_pairs, int64_t width, const T* table, const int32_t* knot, const T* w, const T* dw, T* filter,
                 T* slope) {
    for (int64_t p = 0; p < n_pairs; p++, w += 4, dw += 4) {
        const T* rows = table + 2 * int64_t(knot[p]) * width;
        for (int64_t f = 0; f < width; f += WIDTH<T>) {
            vec<T> a = at(rows + f), b = at(rows + width + f), c = at(rows + 2 * width + f), d = at(rows + 3 * width + f);
            at(filter + p * width + f) = w[0] * a + w[1] * b + w[2] * c + w[3] * d;
            at(slope + p * width + f) = dw[0] * a + dw[1] * b + dw[2] * c + dw[3] * d;
        }
    }
}

// Gradient of the table: what the loss's tangent form adds to the four rows of each pair,
//   w_q g + s dw_q h   with   h = m_i y_j + m_j y_i   and   g = mt_i y_j + mt_j y_i + m_i yd_j + m_j yd_i,
// where m is the force adjoint, mt its second adjoint, yd the tangent of y (nullptr: zero).
template <class T>
void table_gradient(int64_t n_beads, int64_t width, const int32_t* knot, const T* w, const T* dw, const T* s, const T* y,
                    const T* yd, const T* m, const T* mt, T* gradient) {
    for (int64_t i = 0, p = 0; i < n_beads; i++)
        for (int64_t j = i + 1; j < n_beads; j++, p++) {
            T* rows = gradient + 2 * int64_t(knot[p]) * width;
            T value[4], slope[4];
            for (int q = 0; q < 4; q++) value[q] = w[4 * p + q], slope[q] = s[p] * dw[4 * p + q];
            for (int64_t f = 0; f < width; f += WIDTH<T>) {
                int64_t a = i * width + f, b = j * width + f;
                vec<T> h = at(m + a) * at(y + b) + at(m + b) * at(y + a);
                vec<T> g = at(mt + a) * at(y + b) + at(mt + b) * at(y + a);
                if (yd) g += at(m + a) * at(yd + b) + at(m + b) * at(yd + a);
#pragma GCC unroll 4
                for (int q = 0; q < 4; q++) at(rows + q * width + f) += value[q] * g + slope[q] * h;
            }
        }
}
