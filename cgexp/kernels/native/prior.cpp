// Energy and forces of the terms of a prior, of as many frames at once as a vector has lanes.
//
//   bonds, angles: 1/2 k (q - q0)^2          dihedrals: sum over m of a_m cos(m phi) + b_m sin(m phi)
//   repulsion: (sigma / r)^6                 wall: 1/2 k (lower - x)^2 below, 1/2 k (x - upper)^2 above
// A force is -dU/dq times the gradient of q.
#include "internal_coordinates.h"

enum Kind { BONDS = 0, ANGLES = 1, DIHEDRALS = 2, REPULSION = 3, WALL = 4 };

// `n` internal coordinates of one kind over `beads`, 2 to 4 each. Parameters: bonds and angles q0 [n], k [n]; dihedrals
// a, b [n_series, n]; repulsion sigma [1]; a wall, whose n is numbers of a frame, lower [n], upper [n], k [1].
struct Term {
    int64_t kind, n, n_series;
    const int64_t* beads;
    const void *first, *second, *third;
};

namespace {

// 1/2 k (q - q0)^2, and -dU/dq in `pull`
template <class T> inline vec<T> harmonic(vec<T> q, T center, T constant, vec<T>& pull) {
    const vec<T> away = q - center;
    pull = -constant * away;
    return T(0.5) * constant * away * away;
}

// The Fourier series of one dihedral, whose coefficients are `stride` apart; -dU/dphi in `pull`. Cosine and sine of
// m phi by rotation: cos((m+1) phi) = cos(m phi) cos(phi) - sin(m phi) sin(phi).
template <class T>
inline vec<T> fourier(const Dihedral<T>& q, const T* a, const T* b, int64_t n_series, int64_t stride, vec<T>& pull) {
    vec<T> cosine = q.cosine, sine = q.sine, energy{};
    pull = vec<T>{};
    for (int64_t m = 0; m < n_series; m++) {
        const T a_m = a[m * stride], b_m = b[m * stride], order = T(m + 1);
        energy += a_m * cosine + b_m * sine;
        pull += order * (a_m * sine - b_m * cosine);
        const vec<T> turned = cosine * q.cosine - sine * q.sine;
        sine = sine * q.cosine + cosine * q.sine;
        cosine = turned;
    }
    return energy;
}

// Adds one term's energy and forces to a group of frames, their numbers in lanes.
template <class T> void add_term(const Term& term, const vec<T>* coords, vec<T>& energy, vec<T>* forces) {
    const T *first = static_cast<const T*>(term.first), *second = static_cast<const T*>(term.second);
    const Point<T>* x = reinterpret_cast<const Point<T>*>(coords);
    Point<T>* f = reinterpret_cast<Point<T>*>(forces);
    vec<T> pull;
    for (int64_t k = 0; k < term.n; k++) {
        if (term.kind == BONDS) {
            const Distance<T> q = distance<T>(x, term.beads + 2 * k);
            energy += harmonic<T>(q.r, first[k], second[k], pull);
            add_gradient<T>(q, term.beads + 2 * k, pull, f);
        } else if (term.kind == ANGLES) {
            const Angle<T> q = angle<T>(x, term.beads + 3 * k);
            energy += harmonic<T>(q.theta, first[k], second[k], pull);
            add_gradient<T>(q, term.beads + 3 * k, pull, f);
        } else if (term.kind == DIHEDRALS) {
            const Dihedral<T> q = dihedral<T>(x, term.beads + 4 * k);
            energy += fourier<T>(q, first + k, second + k, term.n_series, term.n, pull);
            add_gradient<T>(q, term.beads + 4 * k, pull, f);
        } else if (term.kind == REPULSION) {
            const Distance<T> q = distance<T>(x, term.beads + 2 * k);
            const vec<T> over = T(1) / q.r, ratio = first[0] * over, cube = ratio * ratio * ratio, u = cube * cube;
            energy += u;
            add_gradient<T>(q, term.beads + 2 * k, T(6) * u * over, f);
        } else {
            const vec<T> q = coords[k];
            const T bounds[2] = {first[k], second[k]}, constant = *static_cast<const T*>(term.third);
            const vec<T> nearest = q < bounds[0] ? vec<T>{} + bounds[0] : (q > bounds[1] ? vec<T>{} + bounds[1] : q);
            const vec<T> outside = q - nearest;  // NaN where q is
            energy += T(0.5) * constant * outside * outside;
            forces[k] -= constant * outside;
        }
    }
}

template <class T>
void add(int64_t n_terms, const Term* terms, int64_t n_numbers, int64_t n_frames, const T* coords, void* workspace,
         T* energy, T* forces) {
    Workspace memory(workspace);
    vec<T>*x = memory.take<vec<T>>(n_numbers), *f = memory.take<vec<T>>(n_numbers);
    for (int64_t b = 0; b < n_frames; b += WIDTH<T>) {
        const int64_t n = n_frames - b < WIDTH<T> ? n_frames - b : WIDTH<T>;
        vec<T> u;
        to_lanes<T>(n, n_numbers, n_numbers, coords + b * n_numbers, reinterpret_cast<T*>(x));
        to_lanes<T>(n, n_numbers, n_numbers, forces + b * n_numbers, reinterpret_cast<T*>(f));
        to_lanes<T>(n, 1, 1, energy + b, reinterpret_cast<T*>(&u));
        for (int64_t t = 0; t < n_terms; t++) add_term<T>(terms[t], x, u, f);
        from_lanes<T>(n, n_numbers, n_numbers, reinterpret_cast<T*>(f), forces + b * n_numbers);
        from_lanes<T>(n, 1, 1, reinterpret_cast<T*>(&u), energy + b);
    }
}

}  // namespace

// What Python calls, for float (f32) and double (f64): adds to energy [n_frames] and forces [n_frames, n_numbers] of
// coords [n_frames, n_numbers], three numbers a bead in that order (any, where there is a wall only).
extern "C" int64_t prior_workspace_bytes(int64_t n_numbers) { return 2 * ((n_numbers + 1) * VECTOR_BYTES); }
#define EXPORT(T, suffix)                                                                                            \
    extern "C" void prior_add_##suffix(int64_t n_terms, const Term* terms, int64_t n_numbers, int64_t n_frames,      \
                                       const T* coords, void* workspace, T* energy, T* forces) {                     \
        add<T>(n_terms, terms, n_numbers, n_frames, coords, workspace, energy, forces);                              \
    }

EXPORT(float, f32)
EXPORT(double, f64)
