// Superposed RMSD of many pairs of configurations, and the search for the nearest one.
//
// Frames are centred and stored in blocks of LANES: [block][bead][dimension][lane], so that one candidate is compared
// with LANES frames at once. The best rotation of a pair has trace lambda, the largest root of
//     p(x) = x^4 - 2 |M|^2 x^2 - 8 det(M) x + |M|^4 - 4 |cof(M)|^2,     M = A^T B,
// the characteristic polynomial of Theobald's 4x4 matrix (2005, Acta Cryst. A61, 478), written with the singular values
// of M: its roots are s1+s2+s3, s1-s2-s3, -s1+s2-s3, -s1-s2+s3. N RMSD^2 = |A|^2 + |B|^2 - 2 lambda.
//
// All roots are real, so x is right of all of them exactly if p, p', p'' and p''' are positive there. That tells without
// finding the root whether a pair is farther apart than the nearest one so far.
//
// Every lane is computed alike and stops by itself: a pair's number does not depend on its neighbours.
#include "vector.h"
#include <algorithm>
#include <vector>

namespace {

constexpr int64_t LANES = 8;
constexpr int64_t W = WIDTH<double>;
using V = vec<double>;
using I = Vector<double>::integers;

constexpr double CONVERGED = 1e-11;  // relative step of Newton's method, after which the error is its square
constexpr double FLAT = 1e-3;        // p' / lambda^3 below which rounding of p moves the root: Jacobi's method instead
constexpr double MARGIN = 1e-12;     // of p / x^4: rounding of p is a hundredth of that
constexpr double ROUNDING = 1e-6;    // of an RMSD between twins, relative to their size: the root of that of a square

inline V spread(double x) { return x - V{}; }
inline V choose(I mask, V yes, V no) { return (V)((mask & (I)yes) | (~mask & (I)no)); }
inline bool any(I mask) {
    int64_t found = 0;
    for (int64_t i = 0; i < W; i++) found |= mask[i];
    return found != 0;
}

struct Quartic {
    V c2, c1, c0;
    V value(V x) const { return ((x * x + c2) * x + c1) * x + c0; }
    V slope(V x) const { return (4.0 * x * x + 2.0 * c2) * x + c1; }
};

// M of one configuration, whose coordinates are `stride` numbers apart, with W frames of a block.
inline void products(int64_t n_beads, const double* a, int64_t stride, const double* b, V* m) {
    for (int k = 0; k < 9; k++) m[k] = V{};
    for (int64_t bead = 0; bead < n_beads; bead++, a += 3 * stride, b += 3 * LANES) {
        V x = at(b), y = at(b + LANES), z = at(b + 2 * LANES);
        for (int k = 0; k < 3; k++) {
            V left = spread(a[k * stride]);
            m[3 * k] += left * x, m[3 * k + 1] += left * y, m[3 * k + 2] += left * z;
        }
    }
}

inline Quartic quartic(const V* m) {
    V cof[9] = {
        m[4] * m[8] - m[5] * m[7], m[5] * m[6] - m[3] * m[8], m[3] * m[7] - m[4] * m[6],
        m[2] * m[7] - m[1] * m[8], m[0] * m[8] - m[2] * m[6], m[1] * m[6] - m[0] * m[7],
        m[1] * m[5] - m[2] * m[4], m[2] * m[3] - m[0] * m[5], m[0] * m[4] - m[1] * m[3],
    };
    V squares = m[0] * m[0], minors = cof[0] * cof[0];
    for (int k = 1; k < 9; k++) squares += m[k] * m[k], minors += cof[k] * cof[k];
    V det = m[0] * cof[0] + m[1] * cof[1] + m[2] * cof[2];
    return {-2.0 * squares, -8.0 * det, squares * squares - 4.0 * minors};
}

// The largest eigenvalue of Theobald's matrix by Jacobi rotations, where the polynomial is too flat.
double by_rotations(const double* m) {
    double k[4][4] = {
        {m[0] + m[4] + m[8], m[5] - m[7], m[6] - m[2], m[1] - m[3]},
        {0, m[0] - m[4] - m[8], m[1] + m[3], m[6] + m[2]},
        {0, 0, m[4] - m[0] - m[8], m[5] + m[7]},
        {0, 0, 0, m[8] - m[0] - m[4]},
    };
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++) k[i][j] = k[j][i];
    for (int sweep = 0; sweep < 12; sweep++)
        for (int p = 0; p < 3; p++)
            for (int q = p + 1; q < 4; q++) {
                if (k[p][q] == 0.0) continue;
                double theta = (k[q][q] - k[p][p]) / (2.0 * k[p][q]);
                double t = (theta < 0 ? -1.0 : 1.0) / (std::fabs(theta) + std::sqrt(theta * theta + 1.0));
                double c = 1.0 / std::sqrt(t * t + 1.0), s = t * c;
                for (int i = 0; i < 4; i++) {
                    double ip = k[i][p], iq = k[i][q];
                    k[i][p] = c * ip - s * iq, k[i][q] = s * ip + c * iq;
                }
                for (int i = 0; i < 4; i++) {
                    double pi = k[p][i], qi = k[q][i];
                    k[p][i] = c * pi - s * qi, k[q][i] = s * pi + c * qi;
                }
            }
    return std::max(std::max(k[0][0], k[1][1]), std::max(k[2][2], k[3][3]));
}

// Squared RMSD; sizes: |A|^2 + |B|^2.
V squared(int64_t n_beads, const V* m, const Quartic& p, V sizes) {
    V bound = (-1.5) * p.c2, x;  // (s1 + s2 + s3)^2 <= 3 |M|^2
    for (int64_t i = 0; i < W; i++) x[i] = std::min(std::sqrt(bound[i]), 0.5 * sizes[i]);
    x *= 1.0 + 1e-12;  // Newton's method comes down to the largest root from the right
    I going = (I)(x > 0.0);
    for (int turn = 0; turn < 60 && any(going); turn++) {
        V step = p.value(x) / p.slope(x);
        x = choose(going, x - step, x);
        V size = choose((I)(step < 0.0), -step, step);
        going &= (I)(size > CONVERGED * x);
    }
    I flat = going | ~(I)(p.slope(x) > FLAT * x * x * x);
    if (any(flat))
        for (int64_t i = 0; i < W; i++)
            if (flat[i]) {
                double one[9];
                for (int k = 0; k < 9; k++) one[k] = m[k][i];
                x[i] = by_rotations(one);
            }
    V result = (sizes - 2.0 * x) / double(n_beads);
    return choose((I)(result > 0.0), result, V{});
}

// Whether all lanes are surely farther apart than sqrt(limit).
inline bool all_beyond(int64_t n_beads, const Quartic& p, V sizes, V limit) {
    V x = 0.5 * (sizes - double(n_beads) * limit), xx = x * x;
    I beyond = (I)(p.value(x) > MARGIN * xx * xx) & (I)(p.slope(x) > 0.0) & (I)(6.0 * xx + p.c2 > 0.0) & (I)(x > 0.0);
    return !any(~beyond);
}

}  // namespace

// Frames in blocks, and |A|^2 of each.
struct Packed {
    int64_t n_beads, n_blocks;
    const double *coords, *sizes;
    const double* block(int64_t i) const { return coords + i * n_beads * 3 * LANES; }
    const double* frame(int64_t i) const { return block(i / LANES) + i % LANES; }
};

// Known frames by the centre that is nearest: clusters of whole blocks, the member farthest from its centre first.
struct Clusters {
    int64_t n_clusters;
    const int64_t* first_block;      // [n_clusters + 1]
    const double *farthest, *nearest;  // [n_blocks], of a block's members to their centre
};

namespace {

// Lowers `best` to the smallest squared distance of frame `a` to the frames of a block.
inline void lower(const Packed& known, int64_t block, const double* a, double size, double* best) {
    for (int64_t h = 0; h < LANES; h += W) {
        V m[9], sizes = size + at(known.sizes + block * LANES + h);
        products(known.n_beads, a, LANES, known.block(block) + h, m);
        Quartic p = quartic(m);
        if (all_beyond(known.n_beads, p, sizes, spread(*best))) continue;
        V found = squared(known.n_beads, m, p, sizes);
        for (int64_t i = 0; i < W; i++) *best = std::min(*best, found[i]);
    }
}

}  // namespace

extern "C" {

// out[i - first]: squared distances of frame `row` of `a` to frames first ... last - 1 of `b`; both multiples of LANES.
void superposed_row(const Packed* a, int64_t row, const Packed* b, int64_t first, int64_t last, double* out) {
    const double* left = a->frame(row);
    for (int64_t i = first; i < last; i += W) {
        V m[9], sizes = a->sizes[row] + at(b->sizes + i);
        products(b->n_beads, left, LANES, b->block(i / LANES) + i % LANES, m);
        at(out + i - first) = squared(b->n_beads, m, quartic(m), sizes);
    }
}

// best[i] = min(best[i], squared distance of frame `row` of `a` to frame i of `b`), for first <= i < last.
void superposed_lower(const Packed* a, int64_t row, const Packed* b, int64_t first, int64_t last, double* best) {
    const double* left = a->frame(row);
    for (int64_t i = first; i < last; i += W) {
        V m[9], sizes = a->sizes[row] + at(b->sizes + i), limit = at(best + i);
        products(b->n_beads, left, LANES, b->block(i / LANES) + i % LANES, m);
        Quartic p = quartic(m);
        if (all_beyond(b->n_beads, p, sizes, limit)) continue;
        V found = squared(b->n_beads, m, p, sizes);
        at(best + i) = choose((I)(found < limit), found, limit);
    }
}

// For each of `rows` of `a`, lowers best [n] to the squared distance to the nearest known frame; stops at an upper bound
// as soon as that is below `floor`, and before it looks at more than `n_visits` clusters. exact [n]: whether nothing was
// left out. centres: of the clusters; they are known frames. Returns the number of blocks that were looked at.
int64_t superposed_nearest(
    const Packed* a, const int64_t* rows, int64_t n, const Packed* centres, const Packed* known,
    const Clusters* clusters, int64_t n_visits, double floor, double* best, int8_t* exact
) {
    int64_t n_centre_blocks = (clusters->n_clusters + LANES - 1) / LANES, n_blocks = 0;
    double largest = *std::max_element(known->sizes, known->sizes + known->n_blocks * LANES);
    std::vector<double> to_centre(n_centre_blocks * LANES);
    std::vector<int32_t> order(clusters->n_clusters);
    for (int64_t r = 0; r < n; r++) {
        const double* left = a->frame(rows[r]);
        double size = a->sizes[rows[r]], nearest = best[r];
        exact[r] = 0;
        for (int64_t block = 0; block < n_centre_blocks && nearest >= floor; block++) {
            superposed_row(a, rows[r], centres, block * LANES, (block + 1) * LANES, &to_centre[block * LANES]);
            for (int64_t i = 0; i < LANES; i++) nearest = std::min(nearest, to_centre[block * LANES + i]);
            n_blocks++;
        }
        if (nearest >= floor) {
            int64_t open = 0;
            double tolerance = ROUNDING * std::sqrt((size + largest) / double(a->n_beads));
            double reach = std::sqrt(nearest) + tolerance;  // a known frame whose bound is beyond it is not nearer
            for (int32_t c = 0; c < clusters->n_clusters; c++) {
                to_centre[c] = std::sqrt(to_centre[c]);
                if (to_centre[c] - clusters->farthest[clusters->first_block[c]] <= reach) order[open++] = c;
            }
            auto closer = [&](int32_t i, int32_t j) { return to_centre[i] < to_centre[j]; };
            if (n_visits < open)
                std::partial_sort(order.begin(), order.begin() + n_visits, order.begin() + open, closer);
            else
                std::sort(order.begin(), order.begin() + open, closer);
            int64_t visit = 0;
            for (; visit < std::min(open, n_visits) && nearest >= floor; visit++) {
                int32_t c = order[visit];
                for (int64_t block = clusters->first_block[c]; block < clusters->first_block[c + 1]; block++) {
                    if (to_centre[c] - clusters->farthest[block] > reach) break;  // those behind are farther from a
                    if (clusters->nearest[block] - to_centre[c] > reach) continue;
                    double before = nearest;
                    lower(*known, block, left, size, &nearest);
                    n_blocks++;
                    if (nearest < before) reach = std::sqrt(nearest) + tolerance;
                }
            }
            exact[r] = nearest >= floor && visit == open;
        }
        best[r] = nearest;
    }
    return n_blocks;
}
}
