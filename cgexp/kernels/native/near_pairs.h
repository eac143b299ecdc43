// The pairs of beads of a block of frames that lie within the cutoff, found anew for each frame. Beyond the cutoff filter
// and slope are 0, so that the other pairs add nothing.
//
// Filters are not kept: each pass reads them from the table again, which stays in cache, while the filters of many beads
// would not. A search of all pairs takes a few operations each, next to the hundreds a pair within the cutoff, so that
// there is no list that could be out of date.
#pragma once
#include "cfconv.h"
#include "cgschnet_network.h"
#include <limits>

// Pairs i < j of one frame whose distance is below the cutoff, or is not a number. Those of bead i are begin[i] to
// begin[i + 1] of second [<= n_beads (n_beads - 1) / 2 + 1], in the order of j. scratch: [4 n_beads].
template <class T>
void find_near(int64_t n_beads, T cutoff, const T* coords, T* scratch, int32_t* begin, int32_t* second, T* squared) {
    T *x = scratch, *y = x + n_beads, *z = y + n_beads, *row = z + n_beads;
    for (int64_t i = 0; i < n_beads; i++) x[i] = coords[3 * i], y[i] = coords[3 * i + 1], z[i] = coords[3 * i + 2];
    const T limit = cutoff * cutoff;
    int32_t found = 0;
    for (int64_t i = 0; i < n_beads; i++) {
        begin[i] = found;
        for (int64_t j = i + 1; j < n_beads; j++) {
            T dx = x[i] - x[j], dy = y[i] - y[j], dz = z[i] - z[j];
            row[j] = dx * dx + dy * dy + dz * dz;
        }
        for (int64_t j = i + 1; j < n_beads; j++) {
            second[found] = int32_t(j), squared[found] = row[j];
            found += !(row[j] >= limit);
        }
    }
    begin[n_beads] = found;
}

template <class T> class NearPairs {
  public:
    T *normal, *u, *move;  // of a pair: unit vector from j to i [3], dU/dr, how its distance moves in the tangent

    // Room for all pairs is asked for, but memory that is never written to is none.
    NearPairs(const Shape& shape, Workspace& memory)
        : s(shape), capacity(s.n_beads * (s.n_beads - 1) / 2 + 1), spline(spline_of<T>(s)) {
        const int64_t n = s.block_frames * capacity;
        begin = memory.take<int32_t>(s.block_frames * (s.n_beads + 1));
        scratch = memory.take<T>(4 * s.n_beads);
        second = memory.take<int32_t>(n), knot = memory.take<int32_t>(n);
        w = memory.take<T>(4 * n), dw = memory.take<T>(4 * n);
        normal = memory.take<T>(3 * n), u = memory.take<T>(n), move = memory.take<T>(n);
    }

    // Pairs, distances, unit vectors and spline weights of `n` frames; widens the range [r_min, r_max] of these pairs.
    void geometry(int64_t n, const T* coords, double* range) {
        n_frames = n;
        for (int64_t b = 0; b < n; b++)
            find_near<T>(s.n_beads, T(s.cutoff), coords + 3 * b * s.n_beads, scratch, begin + b * (s.n_beads + 1),
                         second + b * capacity, u + b * capacity);
        T low = std::numeric_limits<T>::infinity(), high = 0;
        visit([&](int64_t p, int64_t i, int64_t j) {
            T r = unit_vector(coords + 3 * i, coords + 3 * j, normal + 3 * p);
            spline_weights<T>(spline, r, knot + p, w + 4 * p, dw + 4 * p);
            low = r < low ? r : low, high = r > high ? r : high;
            u[p] = 0;
        });
        range[0] = low < range[0] ? low : range[0], range[1] = high > range[1] ? high : range[1];
    }

    // Calls what(pair, i, j) with i and j counted over all frames of the block.
    template <class Visit> void visit(const Visit& what) const {
        for (int64_t b = 0; b < n_frames; b++)
            for (int64_t i = 0; i < s.n_beads; i++)
                for (int64_t p = first(b, i); p < first(b, i + 1); p++)
                    what(p, b * s.n_beads + i, b * s.n_beads + second[p]);
    }

    // The passes are those of AllPairs.
    void convolve(int64_t, const T* table, Rows<T> y, T* m) const {
        for_beads([&](auto q, int64_t b, int64_t i, int64_t f) {
            constexpr int Q = decltype(q)::value;
            const T* y_b = y.of(b) + f;
            T* m_b = m + b * n_row() + f;
            vec<T> sums[Q], own[Q];
            load<Q>(m_b + i * s.n_filters, sums), load<Q>(y_b + i * s.n_filters, own);
            for (int64_t p = first(b, i); p < first(b, i + 1); p++) {
                const int64_t j = second[p] * s.n_filters;
                const T *at_p = rows(table, p) + f, *wp = w + 4 * p;
#pragma GCC unroll 4
                for (int k = 0; k < Q; k++) {
                    const int64_t c = k * WIDTH<T>;
                    vec<T> g = corners(at_p + c, wp);
                    sums[k] += g * at(y_b + j + c);
                    at(m_b + j + c) += g * own[k];
                }
            }
            store<Q>(sums, m_b + i * s.n_filters);
        }, m);
    }
    void adjoint(int64_t, const T* table, Rows<T> y, const T* m, T* y_bar) {
        if (y_bar) clear(y_bar);
        for (int64_t b = 0; b < n_frames; b++)
            for (int64_t i = 0; i < s.n_beads; i++)
                for (int64_t p = first(b, i); p < first(b, i + 1); p++)
                    y_bar ? adjoint_of<true>(p, i, table, y.of(b), m + b * n_row(), y_bar + b * n_row())
                          : adjoint_of<false>(p, i, table, y.of(b), m + b * n_row(), nullptr);
    }
    void tangent(int64_t, const T* table, const T* a, Rows<T> y, T* m) const {
        a ? tangent_of<true>(table, a, y, m) : tangent_of<false>(table, m, y, m);
    }
    void second_adjoint(int64_t, const T* table, Rows<T> y, const T* y_dot, const T* m, const T* m_tilde, T* y_tilde,
                        T* gradient) const {
        y_dot ? second_of<true>(table, y, y_dot, m, m_tilde, y_tilde, gradient)
              : second_of<false>(table, y, m, m, m_tilde, y_tilde, gradient);
    }

  private:
    const Shape& s;
    const int64_t capacity;
    const Spline<T> spline;
    int64_t n_frames = 0;
    int32_t *begin, *second, *knot;
    T *scratch, *w, *dw;

    int64_t n_row() const { return s.n_beads * s.n_filters; }
    int64_t first(int64_t b, int64_t i) const { return b * capacity + begin[b * (s.n_beads + 1) + i]; }
    template <class Pointer> Pointer rows(Pointer table, int64_t p) const {
        return table + 2 * int64_t(knot[p]) * s.n_filters;
    }
    // The sum of weights times the four rows of the table that a pair reads.
    vec<T> corners(const T* row, const T* weight) const {
        return weight[0] * at(row) + weight[1] * at(row + s.n_filters) + weight[2] * at(row + 2 * s.n_filters) +
               weight[3] * at(row + 3 * s.n_filters);
    }
    void clear(T* rows) const { std::memset(rows, 0, sizeof(T) * n_frames * n_row()); }
    template <int Q> static void load(const T* from, vec<T> (&to)[Q]) {
        for (int k = 0; k < Q; k++) to[k] = at(from + k * WIDTH<T>);
    }
    template <int Q> static void store(const vec<T> (&from)[Q], T* to) {
        for (int k = 0; k < Q; k++) at(to + k * WIDTH<T>) = from[k];
    }

    // Clears `out` and calls what(Q, frame, bead, f) for features f to f + Q vectors, whose sums stay in registers.
    template <class What> void for_beads(const What& what, T* out) const {
        clear(out);
        for (int64_t b = 0; b < n_frames; b++)
            for (int64_t i = 0; i < s.n_beads; i++) {
                if (first(b, i) == first(b, i + 1)) continue;
                int64_t f = 0;
                for (; f + 4 * WIDTH<T> <= s.n_filters; f += 4 * WIDTH<T>) what(std::integral_constant<int, 4>(), b, i, f);
                for (; f < s.n_filters; f += WIDTH<T>) what(std::integral_constant<int, 1>(), b, i, f);
            }
    }
    template <bool WITH_Y_BAR>
    void adjoint_of(int64_t p, int64_t i, const T* table, const T* y, const T* m, T* y_bar) {
        const T *row = rows(table, p), *wp = w + 4 * p, *dp = dw + 4 * p;
        const int64_t a = i * s.n_filters, c = second[p] * s.n_filters;
        vec<T> total{};
        for (int64_t f = 0; f < s.n_filters; f += WIDTH<T>) {
            vec<T> m_i = at(m + a + f), m_j = at(m + c + f);
            total += (m_i * at(y + c + f) + m_j * at(y + a + f)) * corners(row + f, dp);
            if (WITH_Y_BAR) {
                vec<T> g = corners(row + f, wp);
                at(y_bar + a + f) += g * m_j;
                at(y_bar + c + f) += g * m_i;
            }
        }
        u[p] += sum<T>(total);
    }
    template <bool WITH_A> void tangent_of(const T* table, const T* a, Rows<T> y, T* m) const {
        for_beads([&](auto q, int64_t b, int64_t i, int64_t f) {
            constexpr int Q = decltype(q)::value;
            const T *y_b = y.of(b) + f, *a_b = a + b * n_row() + f;
            T* m_b = m + b * n_row() + f;
            vec<T> sums[Q], y_i[Q], a_i[Q];
            load<Q>(m_b + i * s.n_filters, sums), load<Q>(y_b + i * s.n_filters, y_i);
            load<Q>(a_b + i * s.n_filters, a_i);
            for (int64_t p = first(b, i); p < first(b, i + 1); p++) {
                const int64_t j = second[p] * s.n_filters;
                const T *at_p = rows(table, p) + f, *wp = w + 4 * p, *dp = dw + 4 * p;
#pragma GCC unroll 4
                for (int k = 0; k < Q; k++) {
                    const int64_t c = k * WIDTH<T>;
                    vec<T> d = move[p] * corners(at_p + c, dp);
                    vec<T> to_i = d * at(y_b + j + c), to_j = d * y_i[k];
                    if (WITH_A) {
                        vec<T> g = corners(at_p + c, wp);
                        to_i += g * at(a_b + j + c), to_j += g * a_i[k];
                    }
                    sums[k] += to_i;
                    at(m_b + j + c) += to_j;
                }
            }
            store<Q>(sums, m_b + i * s.n_filters);
        }, m);
    }
    template <bool WITH_Y_DOT>
    void second_of(const T* table, Rows<T> y, const T* y_dot, const T* m, const T* m_tilde, T* y_tilde,
                   T* gradient) const {
        for_beads([&](auto q, int64_t b, int64_t i, int64_t f) {
            constexpr int Q = decltype(q)::value;
            const int64_t n = b * n_row() + f, own = i * s.n_filters;
            const T *y_b = y.of(b) + f, *yd = y_dot + n, *m_b = m + n, *mt = m_tilde + n;
            T* out = y_tilde + n;
            vec<T> sums[Q], y_i[Q], yd_i[Q], m_i[Q], mt_i[Q];
            load<Q>(out + own, sums), load<Q>(y_b + own, y_i), load<Q>(yd + own, yd_i), load<Q>(m_b + own, m_i);
            load<Q>(mt + own, mt_i);
            for (int64_t p = first(b, i); p < first(b, i + 1); p++) {
                const int64_t j = second[p] * s.n_filters;
                const T *at_p = rows(table, p) + f, *wp = w + 4 * p, *dp = dw + 4 * p;
                T* to = rows(gradient, p) + f;
                T by_slope[4];
                for (int corner = 0; corner < 4; corner++) by_slope[corner] = move[p] * dp[corner];
#pragma GCC unroll 4
                for (int k = 0; k < Q; k++) {
                    const int64_t c = k * WIDTH<T>;
                    vec<T> y_j = at(y_b + j + c), m_j = at(m_b + j + c), mt_j = at(mt + j + c);
                    vec<T> value = corners(at_p + c, wp), slope = corners(at_p + c, by_slope);
                    sums[k] += value * mt_j + slope * m_j;
                    at(out + j + c) += value * mt_i[k] + slope * m_i[k];
                    vec<T> h = m_i[k] * y_j + m_j * y_i[k], g = mt_i[k] * y_j + mt_j * y_i[k];
                    if (WITH_Y_DOT) g += m_i[k] * at(yd + j + c) + m_j * yd_i[k];
#pragma GCC unroll 4
                    for (int corner = 0; corner < 4; corner++)
                        at(to + corner * s.n_filters + c) += wp[corner] * g + by_slope[corner] * h;
                }
            }
            store<Q>(sums, out + own);
        }, y_tilde);
    }
};
