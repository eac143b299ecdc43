// Distances, angles and dihedrals with their gradients, of as many frames at once as a vector has lanes.
//
// With J the Jacobian of the internal coordinates q in the beads x, a gradient is wanted for two products only:
//   add_gradient: J^T g, what a change of the energy with q, g = dU/dq, means for the beads;
//   tangent: J v, how fast q changes when the beads move with v.
// Gradients are sparse (2, 3 or 4 beads) and their sum over the beads is zero, so that one bead's is not stored. Where a
// gradient does not exist (beads that coincide, three beads exactly on a line) it is NaN, as in cgexp/geometry.py.
#pragma once
#include "vector.h"

template <class T> struct Point {
    vec<T> x, y, z;
};
template <class T> inline Point<T> operator+(Point<T> a, Point<T> b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
template <class T> inline Point<T> operator-(Point<T> a, Point<T> b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
template <class T> inline Point<T> scaled(vec<T> f, Point<T> a) { return {f * a.x, f * a.y, f * a.z}; }
template <class T> inline vec<T> dot(Point<T> a, Point<T> b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
template <class T> inline Point<T> cross(Point<T> a, Point<T> b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
template <class T> inline vec<T> square_root(vec<T> v) {
    T lanes[WIDTH<T>];
    std::memcpy(lanes, &v, sizeof lanes);
    for (int i = 0; i < WIDTH<T>; i++) lanes[i] = std::sqrt(lanes[i]);
    return at(static_cast<const T*>(lanes));
}
template <class T> inline vec<T> arctangent(vec<T> y, vec<T> x) {
    for (int i = 0; i < WIDTH<T>; i++) y[i] = std::atan2(y[i], x[i]);
    return y;
}

// Numbers k of frames [0, n) `stride` apart, n at most WIDTH, to lanes[k * WIDTH + frame]. Spare lanes repeat a frame.
template <class T> inline void to_lanes(int64_t n, int64_t count, int64_t stride, const T* frames, T* lanes) {
    for (int l = 0; l < WIDTH<T>; l++) {
        const T* frame = frames + (l < n ? l : n - 1) * stride;
        for (int64_t k = 0; k < count; k++) lanes[k * WIDTH<T> + l] = frame[k];
    }
}
template <class T> inline void from_lanes(int64_t n, int64_t count, int64_t stride, const T* lanes, T* frames) {
    for (int64_t l = 0; l < n; l++)
        for (int64_t k = 0; k < count; k++) frames[l * stride + k] = lanes[k * WIDTH<T> + l];
}

// ---- r = |x_i - x_j|

template <class T> struct Distance {
    vec<T> r;
    Point<T> normal;  // dr/dx_i = -dr/dx_j
};

template <class T> inline Distance<T> distance(const Point<T>* x, const int64_t* beads) {
    const Point<T> d = x[beads[0]] - x[beads[1]];
    const vec<T> r = square_root<T>(dot(d, d));
    return {r, scaled<T>(T(1) / r, d)};
}
template <class T> inline void add_gradient(const Distance<T>& q, const int64_t* beads, vec<T> g, Point<T>* total) {
    const Point<T> part = scaled<T>(g, q.normal);
    total[beads[0]] = total[beads[0]] + part;
    total[beads[1]] = total[beads[1]] - part;
}
template <class T> inline vec<T> tangent(const Distance<T>& q, const int64_t* beads, const Point<T>* v) {
    return dot(q.normal, v[beads[0]] - v[beads[1]]);
}

// ---- theta = atan2(|a x b|, a . b) at the middle bead j, with a = x_i - x_j and b = x_k - x_j

template <class T> struct Angle {
    vec<T> theta;
    Point<T> first, last;  // of beads i and k
};

// With n = a x b: dtheta/da = a x n / (|a|^2 |n|) and dtheta/db = n x b / (|b|^2 |n|).
template <class T> inline Angle<T> angle(const Point<T>* x, const int64_t* beads) {
    const Point<T> a = x[beads[0]] - x[beads[1]], b = x[beads[2]] - x[beads[1]], n = cross(a, b);
    const vec<T> sine = square_root<T>(dot(n, n));
    return {arctangent<T>(sine, dot(a, b)), scaled<T>(T(1) / (dot(a, a) * sine), cross(a, n)),
            scaled<T>(T(1) / (dot(b, b) * sine), cross(n, b))};
}
template <class T> inline void add_gradient(const Angle<T>& q, const int64_t* beads, vec<T> g, Point<T>* total) {
    const Point<T> first = scaled<T>(g, q.first), last = scaled<T>(g, q.last);
    total[beads[0]] = total[beads[0]] + first;
    total[beads[1]] = total[beads[1]] - first - last;
    total[beads[2]] = total[beads[2]] + last;
}
template <class T> inline vec<T> tangent(const Angle<T>& q, const int64_t* beads, const Point<T>* v) {
    return dot(q.first, v[beads[0]] - v[beads[1]]) + dot(q.last, v[beads[2]] - v[beads[1]]);
}

// ---- phi with IUPAC sign, as its cosine and sine: d cos(phi) = -sin(phi) d phi, d sin(phi) = cos(phi) d phi

template <class T> struct Dihedral {
    vec<T> cosine, sine;
    Point<T> first, second, last;  // dphi/dx of beads i, j and l
};

// b1, b2, b3 the bonds, m = b1 x b2, n = b2 x b3: the gradient of Blondel and Karplus 1996, J. Comput. Chem. 17, 1132,
// Eq. 27, which is finite at any phi.
template <class T> inline Dihedral<T> dihedral(const Point<T>* x, const int64_t* beads) {
    const Point<T> b1 = x[beads[1]] - x[beads[0]], b2 = x[beads[2]] - x[beads[1]], b3 = x[beads[3]] - x[beads[2]];
    const Point<T> m = cross(b1, b2), n = cross(b2, b3);
    const vec<T> middle = square_root<T>(dot(b2, b2));
    const vec<T> cosine = dot(m, n), sine = middle * dot(b1, n);
    const vec<T> norm = square_root<T>(cosine * cosine + sine * sine);
    const vec<T> over_m = T(1) / (dot(m, m) * middle), over_n = T(1) / (dot(n, n) * middle), square = middle * middle;
    const Point<T> along = scaled<T>(dot(b1, b2) * over_m, m) + scaled<T>(dot(b3, b2) * over_n, n);
    const Point<T> first = scaled<T>(-square * over_m, m), last = scaled<T>(square * over_n, n);
    return {cosine / norm, sine / norm, first, along - first, last};
}
template <class T> inline void add_gradient(const Dihedral<T>& q, const int64_t* beads, vec<T> g, Point<T>* total) {
    const Point<T> first = scaled<T>(g, q.first), second = scaled<T>(g, q.second), last = scaled<T>(g, q.last);
    total[beads[0]] = total[beads[0]] + first;
    total[beads[1]] = total[beads[1]] + second;
    total[beads[2]] = total[beads[2]] - first - second - last;
    total[beads[3]] = total[beads[3]] + last;
}
// Of phi itself.
template <class T> inline vec<T> tangent(const Dihedral<T>& q, const int64_t* beads, const Point<T>* v) {
    const Point<T> third = v[beads[2]];
    return dot(q.first, v[beads[0]] - third) + dot(q.second, v[beads[1]] - third) + dot(q.last, v[beads[3]] - third);
}
