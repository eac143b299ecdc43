// Energy and forces of a molecule in implicit solvent, without cutoff: generalised Born (OBC2 or GB-Neck2), the ACE
// surface term, all Lennard-Jones and Coulomb pairs, and the bonded terms of bonded.h. nm, kJ/mol, elementary charges.
//
// Three passes over pairs of atoms, of which the vector's lanes hold as many as fit:
//
// 1. Born radii. With r the distance of i and j, s_j the scaled radius of j, o_i the reduced radius of i (rho_i - offset),
//        U = r + s_j,   L = max(o_i, |r - s_j|),
//        I_i = sum_j 1/2 [1/L - 1/U + 1/4 (r - s_j^2/r) (1/U^2 - 1/L^2) + 1/2 ln(L/U) / r]   where U > o_i     (HCT)
//            + sum_j S m_ij / (1 + 100 (r - d_ij)^2 + 3e5 (r - d_ij)^6)   where r < rho_i + rho_j + cut          (neck)
//        psi = o_i I_i,   1/B_i = 1/o_i - tanh(alpha psi - beta psi^2 + gamma psi^3) / rho_i.
//    dI_i/dr is kept for pass 3. Since I is stationary in L = r - s_j and in U, only the explicit r counts; where j
//    swallows i (L = s_j - r) there is 1/L^2 more.
// 2. Pairs i < j:  E = -c q_i q_j / f,  f^2 = r^2 + B_i B_j exp(-r^2 / 4 B_i B_j),  c = C (1/eps_in - 1/eps_out),
//        and where the pair is not excluded  C q_i q_j / r + 4 eps ((sigma/r)^12 - (sigma/r)^6).
//    Each atom: -c q_i^2 / 2 B_i, and the surface term  A (rho_i + 0.14)^2 (rho_i / B_i)^6  (A = 0: none).
//    Exceptions (pairs three bonds apart) have parameters of their own.
// 3. Chain rule: the force along r_ij of  dE/dB_i dB_i/dI_i dI_i/dr.
//
// Hawkins, Cramer, Truhlar 1996 (J. Phys. Chem. 100, 19824); Onufriev, Bashford, Case 2004 (Proteins 55, 383);
// Nguyen, Roe, Simmerling 2013 (J. Chem. Theory Comput. 9, 2020).
//
// float32 in pairs, float64 in sums over atoms. A position is a multiple of 1/1024 nm and a remainder, so that
// differences keep their digits however long the molecule is.
#include <initializer_list>

#include "bonded.h"

// Arrays have n numbers, or `stride` = padded(n) where an atom's partners are read as vectors (then the padding is zero).
struct ImplicitSolvent {
    int64_t n_atoms, n_exceptions;
    double coulomb, born, surface, neck_scale, neck_cut;  // C, c, A, S, cut; a neck_scale of 0 is OBC2
    const float *charge, *scaled, *rho, *half_sigma, *root_epsilon;  // [stride]; q, s, rho, sigma/2, 2 sqrt(eps)
    const double *reduced, *alpha, *beta, *gamma;                    // [n]
    const float *neck_height, *neck_place;                           // m_ij, d_ij of each type: [n_types, stride]
    const int64_t* type;                                             // [n]: the row of an atom in these tables
    const float* kept;                                               // [n, stride]: 0 for excluded pairs, else 1
    const int64_t* exception_atoms;                                  // [n_exceptions, 2]
    const double* exception_terms;                                   // [n_exceptions, 3]: C q q, sigma, 4 eps
    BondedTerms bonds, angles, dihedrals;
    double offset;  // of the energy
};

namespace {

using V = vec<float>;
using I = Vector<float>::integers;
constexpr int W = WIDTH<float>;
constexpr float FAR = 1e4f;  // nm, where padding stands
constexpr float GRID = 1024.f;

inline V all(float x) { return V{} + x; }
inline V max(V a, V b) { return a > b ? a : b; }
inline double total(V v) {
    double x = 0;
    for (int i = 0; i < W; i++) x += double(v[i]);
    return x;
}
inline I lanes() {
    I i;
    for (int k = 0; k < W; k++) i[k] = k;
    return i;
}

// 1 / sqrt(x), x > 0: an estimate, and Newton's step y (3 - x y^2) / 2
inline V inverse_root(V x) {
#if defined(__AVX512F__)
    const V y = (V)__builtin_ia32_rsqrt14ps512_mask(x, V{}, (unsigned short)-1);
    return y * (1.5f - 0.5f * x * y * y);
#else
    V y;
    for (int i = 0; i < W; i++) y[i] = 1.f / std::sqrt(x[i]);
    return y;
#endif
}

// ln x, x > 0: x = 2^e m with m in [1/sqrt 2, sqrt 2), and the minimax polynomial of Cephes for ln m
inline V logarithm(V x) {
    const I bits = (I)x, e = (bits - 0x3f3504f3) >> 23;
    const V f = (V)(bits - (e << 23)) - 1.f, f2 = f * f;
    V p = all(7.0376836292e-2f);
    for (float c : {-1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                    2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f})
        p = p * f + c;
    return f + (f2 * f * p - 0.5f * f2) + __builtin_convertvector(e, V) * 0.69314718056f;
}

// exp(x), x <= 0, zero below -80: x = n ln 2 + r, and the minimax polynomial of Cephes for exp(r)
inline V exponential(V x) {
    const V t = max(x, all(-80.f));
    const V shifted = t * 1.44269504f + 12582912.f, n = shifted - 12582912.f;  // 1.5 * 2^23 rounds to integers
    const V r = (t - n * 0.693359375f) + n * 2.12194440e-4f;
    V p = all(1.9875691500e-4f);
    for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        p = p * r + c;
    p = p * r * r + r + 1.f;
    const V y = p * (V)(((I)shifted - (I)all(12582912.f) + 127) << 23);
    return x < -80.f ? V{} : y;
}

// A sum that keeps what rounding would lose (Kahan), so that an energy is as good as its terms.
struct Sum {
    V value{}, lost{};
    void operator+=(V x) {
        const V y = x - lost, t = value + y;
        lost = (t - value) - y;
        value = t;
    }
};

struct Positions {
    float *x[3], *rest[3];
};
struct Pair {
    V dx, dy, dz, r2;
};

inline Pair difference(const Positions& p, int64_t i, int64_t j) {
    const V dx = (p.x[0][i] - at(p.x[0] + j)) + (p.rest[0][i] - at(p.rest[0] + j));
    const V dy = (p.x[1][i] - at(p.x[1] + j)) + (p.rest[1][i] - at(p.rest[1] + j));
    const V dz = (p.x[2][i] - at(p.x[2] + j)) + (p.rest[2][i] - at(p.rest[2] + j));
    return {dx, dy, dz, dx * dx + dy * dy + dz * dz};
}

struct Memory {
    int64_t stride;
    Positions positions;
    float *force[3], *born, *inverse, *slope;  // slope [n, stride]: dI_i/dr_ij / r_ij
    double *born_pull, *chain;                 // dE/dB, and dB/dI
    float* pull;                               // what pairs add to dE/dB of the second atom
    Memory(void* block, int64_t n, int64_t* bytes) : stride(padded(n)) {
        Workspace memory(block);
        for (int d = 0; d < 3; d++) {
            positions.x[d] = memory.take<float>(stride);
            positions.rest[d] = memory.take<float>(stride);
            force[d] = memory.take<float>(stride);
        }
        born = memory.take<float>(stride), inverse = memory.take<float>(stride), pull = memory.take<float>(stride);
        born_pull = memory.take<double>(n), chain = memory.take<double>(n);
        slope = memory.take<float>(n * stride);
        if (bytes) *bytes = memory.used();
    }
};

void place(int64_t n, const double* positions, Memory& m) {
    double centre[3] = {0, 0, 0};
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < 3; d++) centre[d] += positions[3 * i + d] / double(n);
    for (int d = 0; d < 3; d++)
        for (int64_t i = 0; i < m.stride; i++) {
            const double x = i < n ? positions[3 * i + d] - centre[d] : (d == 0 ? FAR + float(i) : 0.f);
            m.positions.x[d][i] = float(std::nearbyint(x * GRID)) / GRID;
            m.positions.rest[d][i] = float(x - double(m.positions.x[d][i]));
            m.force[d][i] = 0.f;
        }
}

template <bool NECK> void born_radii(const ImplicitSolvent& s, Memory& m) {
    for (int64_t i = 0; i < s.n_atoms; i++) {
        const V o = all(float(s.reduced[i])), rho = all(s.rho[i] + float(s.neck_cut));
        const float *height = s.neck_height + s.type[i] * m.stride, *placed = s.neck_place + s.type[i] * m.stride;
        V integral{};
        for (int64_t j = 0; j < m.stride; j += W) {
            const I other = lanes() + int32_t(j) != int32_t(i);
            const V r2 = other ? difference(m.positions, i, j).r2 : all(1.f);
            const V over = inverse_root(r2), r = r2 * over, scaled = at(s.scaled + j);
            const V upper = r + scaled, gap = scaled - r, lower = max(o, gap < 0.f ? -gap : gap);
            const V both = 1.f / (upper * lower), over_u = lower * both, over_l = upper * both;
            const V log = logarithm(upper * over_l) * over, ratio = scaled * scaled * over * over;
            const V squares = over_u * over_u - over_l * over_l;
            V term = 0.5f * (over_l - over_u + 0.25f * (r - ratio * r) * squares - 0.5f * log);
            V slope = 0.125f * (1.f + ratio) * squares + 0.25f * log * over;
            slope = gap > o ? slope + over_l * over_l : slope;
            const I touches = upper > o;
            term = touches ? term : V{}, slope = touches ? slope : V{};
            if (NECK) {
                const V u = r - at(placed + j), u2 = u * u, u4 = u2 * u2;
                const V inverse = 1.f / (1.f + 100.f * u2 + 3e5f * u4 * u2);
                const V neck = rho + at(s.rho + j) > r ? float(s.neck_scale) * at(height + j) * inverse : V{};
                term += neck, slope -= neck * inverse * u * (200.f + 18e5f * u4);
            }
            integral += other ? term : V{};
            at(m.slope + i * m.stride + j) = other ? slope * over : V{};
        }
        const double a = s.alpha[i], b = s.beta[i], g = s.gamma[i];
        const double psi = s.reduced[i] * total(integral), t = std::tanh(psi * (a + psi * (g * psi - b)));
        const double born = 1.0 / (1.0 / s.reduced[i] - t / double(s.rho[i]));
        m.chain[i] = born * born * (1 - t * t) / double(s.rho[i]) * (a + psi * (3 * g * psi - 2 * b)) * s.reduced[i];
        m.born[i] = float(born), m.inverse[i] = float(1.0 / born);
        m.born_pull[i] = 0, m.pull[i] = 0;
    }
    for (int64_t i = s.n_atoms; i < m.stride; i++) m.born[i] = m.inverse[i] = 1.f, m.pull[i] = 0.f;
}

double pair_energies(const ImplicitSolvent& s, Memory& m) {
    double energy = 0;
    for (int64_t i = 0; i < s.n_atoms; i++) {
        const V born = all(m.born[i]), inverse = all(m.inverse[i]), charge = all(s.charge[i]);
        const V minus_c = all(float(-s.born)), coulomb = all(float(s.coulomb));
        const V half_sigma = all(s.half_sigma[i]), root_epsilon = all(s.root_epsilon[i]);
        const float* kept = s.kept + i * m.stride;
        V pull{}, fx{}, fy{}, fz{};
        Sum e;
        for (int64_t j = (i + 1) / W * W; j < m.stride; j += W) {
            const I later = lanes() + int32_t(j) > int32_t(i);
            Pair d = difference(m.positions, i, j);
            d.r2 = later ? d.r2 : all(1.f);
            const V q = later ? charge * at(s.charge + j) : V{};
            const V partner = at(m.born + j), over_partner = at(m.inverse + j), quarter = 0.25f * d.r2;
            const V decay = exponential(-quarter * inverse * over_partner);
            const V over_f = inverse_root(d.r2 + born * partner * decay);
            const V solvent = minus_c * q * over_f, cubed = solvent * over_f * over_f, common = cubed * decay;
            pull -= common * (partner + quarter * inverse);
            at(m.pull + j) -= common * (born + quarter * over_partner);
            const V present = later ? at(kept + j) : V{};
            const V over = inverse_root(d.r2), over2 = over * over;
            const V direct = present * coulomb * q * over;
            const V sigma = half_sigma + at(s.half_sigma + j), ratio2 = sigma * sigma * over2;
            const V ratio6 = ratio2 * ratio2 * ratio2, depth6 = present * root_epsilon * at(s.root_epsilon + j) * ratio6;
            e += solvent + direct;
            e += depth6 * (ratio6 - 1.f);
            const V f = cubed * (1.f - 0.25f * decay) + (depth6 * (12.f * ratio6 - 6.f) + direct) * over2;
            const V gx = f * d.dx, gy = f * d.dy, gz = f * d.dz;
            fx += gx, fy += gy, fz += gz;
            at(m.force[0] + j) -= gx, at(m.force[1] + j) -= gy, at(m.force[2] + j) -= gz;
        }
        m.force[0][i] += float(total(fx)), m.force[1][i] += float(total(fy)), m.force[2][i] += float(total(fz));
        m.born_pull[i] = 0.5 * total(pull);
        energy += total(e.value);
    }
    for (int64_t i = 0; i < s.n_atoms; i++) {
        const double b = m.born[i], q = s.charge[i], rho = s.rho[i], self = 0.5 * s.born * q * q / b, ratio = rho / b;
        const double surface = s.surface * (rho + 0.14) * (rho + 0.14) * std::pow(ratio, 6);
        energy += surface - self;
        m.born_pull[i] += 0.5 * double(m.pull[i]) + (self - 6.0 * surface) / b;
    }
    return energy;
}

void chain_rule(const ImplicitSolvent& s, Memory& m) {
    for (int64_t i = 0; i < s.n_atoms; i++) {
        const V weight = all(float(m.born_pull[i] * m.chain[i]));
        const float* slope = m.slope + i * m.stride;
        V fx{}, fy{}, fz{};
        for (int64_t j = 0; j < m.stride; j += W) {
            const Pair d = difference(m.positions, i, j);
            const V f = weight * at(slope + j), gx = f * d.dx, gy = f * d.dy, gz = f * d.dz;
            fx += gx, fy += gy, fz += gz;
            at(m.force[0] + j) += gx, at(m.force[1] + j) += gy, at(m.force[2] + j) += gz;
        }
        m.force[0][i] -= float(total(fx)), m.force[1][i] -= float(total(fy)), m.force[2][i] -= float(total(fz));
    }
}

double exceptions(const ImplicitSolvent& s, const double* x, double* forces) {
    double energy = 0;
    for (int64_t k = 0; k < s.n_exceptions; k++) {
        const int64_t a = 3 * s.exception_atoms[2 * k], b = 3 * s.exception_atoms[2 * k + 1];
        const double *term = s.exception_terms + 3 * k, d[3] = {x[a] - x[b], x[a + 1] - x[b + 1], x[a + 2] - x[b + 2]};
        const double over2 = 1.0 / (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), ratio2 = term[1] * term[1] * over2;
        const double ratio6 = ratio2 * ratio2 * ratio2, direct = term[0] * std::sqrt(over2), depth6 = term[2] * ratio6;
        energy += direct + depth6 * (ratio6 - 1);
        const double f = (direct + depth6 * (12 * ratio6 - 6)) * over2;
        for (int c = 0; c < 3; c++) forces[a + c] += f * d[c], forces[b + c] -= f * d[c];
    }
    return energy;
}

}  // namespace

// What Python calls. positions [n, 3] nm; forces [n, 3] kJ/mol/nm are overwritten; returns the energy, kJ/mol.
// workspace: of implicit_solvent_workspace_bytes, aligned to 64 bytes.
extern "C" int64_t implicit_solvent_workspace_bytes(int64_t n_atoms) {
    int64_t bytes = 0;
    Memory(nullptr, n_atoms, &bytes);
    return bytes;
}

extern "C" double implicit_solvent(const ImplicitSolvent* solvent, const double* positions, void* workspace,
                                   double* forces) {
    const ImplicitSolvent& s = *solvent;
    Memory m(workspace, s.n_atoms, nullptr);
    place(s.n_atoms, positions, m);
    if (s.neck_scale > 0)
        born_radii<true>(s, m);
    else
        born_radii<false>(s, m);
    double energy = pair_energies(s, m);
    chain_rule(s, m);
    for (int64_t i = 0; i < s.n_atoms; i++)
        for (int d = 0; d < 3; d++) forces[3 * i + d] = double(m.force[d][i]);
    for (const BondedTerms* terms : {&s.bonds, &s.angles, &s.dihedrals}) energy += add_bonded(*terms, positions, forces);
    return energy + exceptions(s, positions, forces) + s.offset;
}
