// Bonds, angles and dihedrals of one molecule, of as many terms at once as a vector has lanes.
//
//   bonds, angles: 1/2 k (q - q0)^2          dihedrals: sum over m of a_m cos(m phi) + b_m sin(m phi)
// float64: a stiff bond is a small difference of large numbers.
#pragma once
#include "internal_coordinates.h"

// `n` terms of one kind, padded to whole vectors with terms that cost nothing. atoms: [n, n_atoms]. first, second: q0 and
// k [n] of bonds (n_atoms = 2) and angles (3); a and b [n_series, n] of dihedrals (4).
struct BondedTerms {
    int64_t n_atoms, n, n_series;
    const int64_t* atoms;
    const double *first, *second;
};

inline double add_bonded(const BondedTerms& terms, const double* positions, double* forces) {
    using V = vec<double>;
    constexpr int W = WIDTH<double>;
    const int64_t identity[4] = {0, 1, 2, 3};
    V energy{};
    for (int64_t t = 0; t < terms.n; t += W) {
        const int64_t* atoms = terms.atoms + t * terms.n_atoms;
        Point<double> x[4], f[4] = {};
        for (int64_t k = 0; k < terms.n_atoms; k++)
            for (int l = 0; l < W; l++) {
                const double* p = positions + 3 * atoms[l * terms.n_atoms + k];
                x[k].x[l] = p[0], x[k].y[l] = p[1], x[k].z[l] = p[2];
            }
        if (terms.n_atoms == 4) {
            const Dihedral<double> q = dihedral<double>(x, identity);
            V cosine = q.cosine, sine = q.sine, pull{};
            for (int64_t m = 0; m < terms.n_series; m++) {
                const V a = at(terms.first + m * terms.n + t), b = at(terms.second + m * terms.n + t);
                energy += a * cosine + b * sine;
                pull += double(m + 1) * (a * sine - b * cosine);
                const V turned = cosine * q.cosine - sine * q.sine;
                sine = sine * q.cosine + cosine * q.sine;
                cosine = turned;
            }
            add_gradient<double>(q, identity, pull, f);
        } else {
            const V centre = at(terms.first + t), constant = at(terms.second + t);
            V away;
            if (terms.n_atoms == 2) {
                const Distance<double> q = distance<double>(x, identity);
                away = q.r - centre;
                add_gradient<double>(q, identity, -constant * away, f);
            } else {
                const Angle<double> q = angle<double>(x, identity);
                away = q.theta - centre;
                add_gradient<double>(q, identity, -constant * away, f);
            }
            energy += 0.5 * constant * away * away;
        }
        for (int64_t k = 0; k < terms.n_atoms; k++)
            for (int l = 0; l < W; l++) {
                double* p = forces + 3 * atoms[l * terms.n_atoms + k];
                p[0] += f[k].x[l], p[1] += f[k].y[l], p[2] += f[k].z[l];
            }
    }
    return sum<double>(energy);
}
