// All pairs of beads of a block of frames, with their filters and slopes kept from pass to pass: the fastest for few
// beads, whose filters stay in cache.
#pragma once
#include "cfconv.h"
#include "cgschnet_network.h"
#include <limits>

template <class T> class AllPairs {
  public:
    T *normal, *u, *move;  // of a pair: unit vector from j to i [3], dU/dr, how its distance moves in the tangent

    AllPairs(const Shape& shape, Workspace& memory)
        : s(shape), n_pairs(s.n_beads * (s.n_beads - 1) / 2), spline(spline_of<T>(s)), filters(s.n_blocks) {
        const int64_t n = s.block_frames * n_pairs;
        knot = memory.take<int32_t>(n);
        w = memory.take<T>(4 * n), dw = memory.take<T>(4 * n);
        normal = memory.take<T>(3 * n), u = memory.take<T>(n), move = memory.take<T>(n);
        for (Filter& f : filters) f.value = memory.take<T>(n * s.n_filters), f.slope = memory.take<T>(n * s.n_filters);
    }

    // Distances, unit vectors and spline weights of `n` frames; widens the range [r_min, r_max] that was seen.
    void geometry(int64_t n, const T* coords, double* range) {
        n_frames = n;
        T low = std::numeric_limits<T>::infinity(), high = 0;
        visit([&](int64_t p, int64_t i, int64_t j) {
            T r = unit_vector(coords + 3 * i, coords + 3 * j, normal + 3 * p);
            spline_weights<T>(spline, r, knot + p, w + 4 * p, dw + 4 * p);
            low = r < low ? r : low, high = r > high ? r : high;
        });
        for (int64_t p = 0; p < n_frames * n_pairs; p++) u[p] = 0;
        range[0] = low < range[0] ? low : range[0], range[1] = high > range[1] ? high : range[1];
    }

    // Calls what(pair, i, j) with i and j counted over all frames of the block.
    template <class Visit> void visit(const Visit& what) const {
        for (int64_t b = 0, p = 0; b < n_frames; b++)
            for (int64_t i = b * s.n_beads; i < (b + 1) * s.n_beads; i++)
                for (int64_t j = i + 1; j < (b + 1) * s.n_beads; j++, p++) what(p, i, j);
    }

    // m_i = sum over j of G_ij y_j, with the filters of block t from its table.
    void convolve(int64_t t, const T* table, Rows<T> y, T* m) {
        for (int64_t b = 0, p = 0; b < n_frames; b++, p += n_pairs) {
            interpolate<T>(n_pairs, s.n_filters, table, knot + p, w + 4 * p, dw + 4 * p, value(t, b), slope(t, b));
            ::convolve<T>(s.n_beads, s.n_filters, value(t, b), y.of(b), m + b * n_row());
        }
    }
    // u_ij += (m_i y_j + m_j y_i) . D_ij, and y_bar_i = sum over j of G_ij m_j unless it is null.
    void adjoint(int64_t t, const T*, Rows<T> y, const T* m, T* y_bar) {
        for (int64_t b = 0; b < n_frames; b++) {
            contract_slope<T>(s.n_beads, s.n_filters, slope(t, b), y.of(b), m + b * n_row(), u + b * n_pairs);
            if (y_bar) ::convolve<T>(s.n_beads, s.n_filters, value(t, b), m + b * n_row(), y_bar + b * n_row());
        }
    }
    // m_i = sum over j of G_ij a_j + move_ij D_ij b_j; without a (nullptr) the first part is left out.
    void tangent(int64_t t, const T*, const T* a, Rows<T> y, T* m) const {
        for (int64_t b = 0; b < n_frames; b++)
            convolve_tangent<T>(s.n_beads, s.n_filters, value(t, b), slope(t, b), move + b * n_pairs,
                                a ? a + b * n_row() : nullptr, y.of(b), m + b * n_row());
    }
    // y_tilde_i = sum over j of G_ij m_tilde_j + move_ij D_ij m_j, and the gradient of the table: see table_gradient.
    void second_adjoint(int64_t t, const T*, Rows<T> y, const T* y_dot, const T* m, const T* m_tilde, T* y_tilde,
                        T* gradient) const {
        for (int64_t b = 0, p = 0; b < n_frames; b++, p += n_pairs) {
            const int64_t node = b * n_row();
            convolve_tangent<T>(s.n_beads, s.n_filters, value(t, b), slope(t, b), move + p, m_tilde + node, m + node,
                                y_tilde + node);
            table_gradient<T>(s.n_beads, s.n_filters, knot + p, w + 4 * p, dw + 4 * p, move + p, y.of(b),
                              y_dot ? y_dot + node : nullptr, m + node, m_tilde + node, gradient);
        }
    }

  private:
    struct Filter {
        T *value, *slope;
    };
    const Shape& s;
    const int64_t n_pairs;
    const Spline<T> spline;
    std::vector<Filter> filters;
    int64_t n_frames = 0;
    int32_t* knot;
    T *w, *dw;

    int64_t n_row() const { return s.n_beads * s.n_filters; }
    T* value(int64_t t, int64_t b) const { return filters[t].value + b * n_pairs * s.n_filters; }
    T* slope(int64_t t, int64_t b) const { return filters[t].slope + b * n_pairs * s.n_filters; }
};
