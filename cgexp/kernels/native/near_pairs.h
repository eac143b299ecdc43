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
        for_beads<4, 2>(m, [&](auto q, int64_t b, int64_t i, int64_t f) {
            constexpr int Q = decltype(q)::value;
            const Bead bead(*this, table, b, i, f);
            const T* y_b = y.of(b) + f;
            T* m_b = m + b * n_row() + f;
            vec<T> sums[Q], y_i[Q];
            load<Q>(m_b + bead.own, sums), load<Q>(y_b + bead.own, y_i);
            for (int64_t p = bead.first; p < bead.last; p++) {
                const int64_t j = bead.other(p);
                const T* rows = bead.rows(p);
                const Weights value(bead.w + 4 * p);
#pragma GCC unroll 4
                for (int k = 0; k < Q; k++) {
                    const int64_t c = k * WIDTH<T>;
                    const vec<T> g = value.of(rows + c, bead.width);
                    sums[k] += g * at(y_b + j + c);
                    at(m_b + j + c) += g * y_i[k];
                }
            }
            store<Q>(sums, m_b + bead.own);
        });
    }
    void adjoint(int64_t, const T* table, Rows<T> y, const T* m, T* y_bar) {
        y_bar ? adjoint_of<true>(table, y, m, y_bar) : adjoint_of<false>(table, y, m, nullptr);
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

    // What the loop over the pairs of a bead needs, as values of its own: a store of features could change any that is
    // read from memory, as far as the compiler knows.
    struct Bead {
        const int64_t width, first, last, own;
        const int32_t *second, *knot;
        const T *table, *w, *dw;
        Bead(const NearPairs& n, const T* table, int64_t b, int64_t i, int64_t f)
            : width(n.s.n_filters), first(n.first(b, i)), last(n.first(b, i + 1)), own(i * width), second(n.second),
              knot(n.knot), table(table + f), w(n.w), dw(n.dw) {}
        int64_t other(int64_t p) const { return second[p] * width; }
        int64_t row(int64_t p) const { return 2 * int64_t(knot[p]) * width; }
        const T* rows(int64_t p) const { return table + row(p); }
    };
    // Weights of the four rows of the table that a pair reads.
    struct Weights {
        vec<T> w0, w1, w2, w3;
        explicit Weights(const T* w, T factor = 1)
            : w0(all(factor * w[0])), w1(all(factor * w[1])), w2(all(factor * w[2])), w3(all(factor * w[3])) {}
        static vec<T> all(T x) { return x - vec<T>{}; }
        vec<T> of(const T* row, int64_t width) const {
            return w0 * at(row) + w1 * at(row + width) + w2 * at(row + 2 * width) + w3 * at(row + 3 * width);
        }
    };
    template <int Q> static void load(const T* from, vec<T> (&to)[Q]) {
        for (int k = 0; k < Q; k++) to[k] = at(from + k * WIDTH<T>);
    }
    template <int Q> static void store(const vec<T> (&from)[Q], T* to) {
        for (int k = 0; k < Q; k++) at(to + k * WIDTH<T>) = from[k];
    }

    // Clears `out` (unless it is null) and calls what(Q, frame, bead, f) for features f to f + Q vectors, whose sums stay
    // in registers. Q is the first of MOST and LESS, or 1, that is left to the end of the row.
    template <int MOST, int LESS, class What> void for_beads(T* out, const What& what) const {
        if (out) std::memset(out, 0, sizeof(T) * n_frames * n_row());
        for (int64_t b = 0; b < n_frames; b++)
            for (int64_t i = 0; i < s.n_beads; i++) {
                if (first(b, i) == first(b, i + 1)) continue;
                int64_t f = features<MOST>(b, i, 0, what);
                f = features<LESS>(b, i, f, what);
                features<1>(b, i, f, what);
            }
    }
    template <int Q, class What> int64_t features(int64_t b, int64_t i, int64_t f, const What& what) const {
        for (; f + Q * WIDTH<T> <= s.n_filters; f += Q * WIDTH<T>) what(std::integral_constant<int, Q>(), b, i, f);
        return f;
    }
    template <bool WITH_Y_BAR> void adjoint_of(const T* table, Rows<T> y, const T* m, T* y_bar) {
        for_beads<8, 4>(y_bar, [&](auto q, int64_t b, int64_t i, int64_t f) {
            constexpr int Q = decltype(q)::value;
            const Bead bead(*this, table, b, i, f);
            const T *y_b = y.of(b) + f, *m_b = m + b * n_row() + f;
            T *out = y_bar + b * n_row() + f, *along = u;
            vec<T> sums[Q], y_i[Q], m_i[Q];
            load<Q>(y_b + bead.own, y_i), load<Q>(m_b + bead.own, m_i);
            if (WITH_Y_BAR) load<Q>(out + bead.own, sums);
            for (int64_t p = bead.first; p < bead.last; p++) {
                const int64_t j = bead.other(p);
                const T* rows = bead.rows(p);
                const Weights value(bead.w + 4 * p), slope(bead.dw + 4 * p);
                vec<T> total{};
#pragma GCC unroll 8
                for (int k = 0; k < Q; k++) {
                    const int64_t c = k * WIDTH<T>;
                    const vec<T> m_j = at(m_b + j + c);
                    total += (m_i[k] * at(y_b + j + c) + m_j * y_i[k]) * slope.of(rows + c, bead.width);
                    if (WITH_Y_BAR) {
                        const vec<T> g = value.of(rows + c, bead.width);
                        sums[k] += g * m_j;
                        at(out + j + c) += g * m_i[k];
                    }
                }
                along[p] += sum<T>(total);
            }
            if (WITH_Y_BAR) store<Q>(sums, out + bead.own);
        });
    }
    template <bool WITH_A> void tangent_of(const T* table, const T* a, Rows<T> y, T* m) const {
        for_beads<4, 2>(m, [&](auto q, int64_t b, int64_t i, int64_t f) {
            constexpr int Q = decltype(q)::value;
            const Bead bead(*this, table, b, i, f);
            const T *y_b = y.of(b) + f, *a_b = a + b * n_row() + f, *moves = move;
            T* m_b = m + b * n_row() + f;
            vec<T> sums[Q], y_i[Q], a_i[Q];
            load<Q>(m_b + bead.own, sums), load<Q>(y_b + bead.own, y_i), load<Q>(a_b + bead.own, a_i);
            for (int64_t p = bead.first; p < bead.last; p++) {
                const int64_t j = bead.other(p);
                const T* rows = bead.rows(p);
                const Weights value(bead.w + 4 * p), slope(bead.dw + 4 * p, moves[p]);
#pragma GCC unroll 4
                for (int k = 0; k < Q; k++) {
                    const int64_t c = k * WIDTH<T>;
                    const vec<T> d = slope.of(rows + c, bead.width);
                    vec<T> to_i = d * at(y_b + j + c), to_j = d * y_i[k];
                    if (WITH_A) {
                        const vec<T> g = value.of(rows + c, bead.width);
                        to_i += g * at(a_b + j + c), to_j += g * a_i[k];
                    }
                    sums[k] += to_i;
                    at(m_b + j + c) += to_j;
                }
            }
            store<Q>(sums, m_b + bead.own);
        });
    }
    template <bool WITH_Y_DOT>
    void second_of(const T* table, Rows<T> y, const T* y_dot, const T* m, const T* m_tilde, T* y_tilde,
                   T* gradient) const {
        for_beads<2, 2>(y_tilde, [&](auto q, int64_t b, int64_t i, int64_t f) {
            constexpr int Q = decltype(q)::value;
            const Bead bead(*this, table, b, i, f);
            const int64_t n = b * n_row() + f, width = bead.width;
            const T *y_b = y.of(b) + f, *yd = y_dot + n, *m_b = m + n, *mt = m_tilde + n, *moves = move;
            T *out = y_tilde + n, *gradient_f = gradient + f;
            vec<T> sums[Q], y_i[Q], yd_i[Q], m_i[Q], mt_i[Q];
            load<Q>(out + bead.own, sums), load<Q>(y_b + bead.own, y_i), load<Q>(yd + bead.own, yd_i);
            load<Q>(m_b + bead.own, m_i), load<Q>(mt + bead.own, mt_i);
            for (int64_t p = bead.first; p < bead.last; p++) {
                const int64_t j = bead.other(p);
                const T* rows = bead.rows(p);
                T* to = gradient_f + bead.row(p);
                const Weights value(bead.w + 4 * p), slope(bead.dw + 4 * p, moves[p]);
#pragma GCC unroll 4
                for (int k = 0; k < Q; k++) {
                    const int64_t c = k * WIDTH<T>;
                    const vec<T> y_j = at(y_b + j + c), m_j = at(m_b + j + c), mt_j = at(mt + j + c);
                    const vec<T> g_p = value.of(rows + c, width), d_p = slope.of(rows + c, width);
                    sums[k] += g_p * mt_j + d_p * m_j;
                    at(out + j + c) += g_p * mt_i[k] + d_p * m_i[k];
                    vec<T> h = m_i[k] * y_j + m_j * y_i[k], g = mt_i[k] * y_j + mt_j * y_i[k];
                    if (WITH_Y_DOT) g += m_i[k] * at(yd + j + c) + m_j * yd_i[k];
                    at(to + c) += value.w0 * g + slope.w0 * h;
                    at(to + width + c) += value.w1 * g + slope.w1 * h;
                    at(to + 2 * width + c) += value.w2 * g + slope.w2 * h;
                    at(to + 3 * width + c) += value.w3 * g + slope.w3 * h;
                }
            }
            store<Q>(sums, out + bead.own);
        });
    }
};
