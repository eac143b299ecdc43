// CGSchNet with a tabulated filter: energy, forces, and the parameter gradient of a loss of the forces, in one pass over
// blocks of frames that stay in cache. Only coordinates come in; per frame nothing else is stored.
//
// Network (t = 0 .. L-1; bead rows; f the activation; x_0 the embedding, and y_0 = x_0 W1_0^T is given):
//   y_t = x_t W1_t^T    m_t = conv(G_t, y_t)    z_t = m_t W2_t^T + b2_t    x_{t+1} = x_t + f(z_t) W3_t^T + b3_t
//   q_1 = x_L A1^T + a1    q_2 = f(q_1) A2^T + a2    U = sum over beads of f(q_2) . a3
// with G_t(r) the filter of a pair and D_t(r) = dG_t/dr, both from the table.
//
// The loss L is a function of the forces F; lambda = dL/dF. For any parameter p
//   dL/dp = sum lambda . dF/dp = -d/dp (lambda . grad U) = d/dp (dU along the direction -lambda),
// so passes 4 and 5 differentiate the directional derivative of U, a scalar.
#include "activation.h"
#include "all_pairs.h"
#include "near_pairs.h"

// What a call is asked for.
enum Task { FORCES = 0, SQUARED_ERROR = 1, GIVEN_DIRECTION = 2 };

namespace {

// One block of frames, and the passes over it. Pairs: AllPairs or NearPairs, of the same interface, do what is done for
// each pair of beads.
template <class T, class Pairs> class Block {
  public:
    Block(const Network<T>& network, bool gradient, Workspace& memory)
        : net(network), s(network.s), pairs(network.s, memory),
          products(s.block_frames * s.n_beads, widest(s), memory), layers(s.n_blocks) {
        const int64_t c = s.block_frames, rows = c * s.n_beads;
        direction = memory.take<T>(3 * rows);
        for (int64_t t = 0; t < s.n_blocks; t++) {
            Layer& l = layers[t];
            for (T** p : {&l.y, &l.m, &l.m_bar, &l.y_bar}) *p = memory.take<T>(rows * s.n_filters);
            for (T** p : {&l.h, &l.f1, &l.f2, &l.z_bar, &l.x_after, &l.x_bar}) *p = memory.take<T>(rows * s.n_features);
            if (!gradient) continue;
            for (T** p : {&l.y_dot, &l.m_dot}) *p = memory.take<T>(rows * s.n_filters);
            for (T** p : {&l.z_dot, &l.h_dot, &l.x_dot_after}) *p = memory.take<T>(rows * s.n_features);
        }
        x_bar_last = memory.take<T>(rows * s.n_features);
        for (T** p : {&o1, &o1_f1, &o1_f2, &q1_bar}) *p = memory.take<T>(rows * s.n_hidden);
        for (T** p : {&o2, &o2_f1, &o2_f2, &q2_bar}) *p = memory.take<T>(rows * s.n_half);
        if (!gradient) return;
        for (T** p : {&q1_dot, &o1_dot, &q1_tilde}) *p = memory.take<T>(rows * s.n_hidden);
        for (T** p : {&q2_dot, &o2_dot}) *p = memory.take<T>(rows * s.n_half);
        for (T** p : {&x_tilde, &z_tilde}) *p = memory.take<T>(rows * s.n_features);
        for (T** p : {&m_tilde, &y_tilde}) *p = memory.take<T>(rows * s.n_filters);
    }

    // Distances, unit vectors and spline weights of `n` frames; widens the range [r_min, r_max] that was seen.
    void geometry(int64_t n, const T* coords, double* range) {
        n_frames = n, rows = n * s.n_beads;
        pairs.geometry(n, coords, range);
    }

    // Pass 1: the energy.
    void forward(T* energy) {
        for (int64_t t = 0; t < s.n_blocks; t++) {
            Layer& l = layers[t];
            if (t) products.apply(net.blocks[t].w1, rows, layers[t - 1].x_after, l.y, false);
            pairs.convolve(t, table(t), y(t), l.m);
            products.apply(net.blocks[t].w2, rows, l.m, l.h, false);
            activate<T>(s.activation, rows, s.n_features, net.blocks[t].b2, l.h, l.f1, l.f2);
            for (int64_t b = 0; b < n_frames; b++)
                for (int64_t i = 0; i < s.n_beads; i++)
                    for (int64_t f = 0; f < s.n_features; f += WIDTH<T>) {
                        int64_t bead = i * s.n_features + f, here = b * s.n_beads * s.n_features + bead;
                        at(l.x_after + here) =
                            at(t ? layers[t - 1].x_after + here : net.x0 + bead) + at(net.blocks[t].b3 + f);
                    }
            products.apply(net.blocks[t].w3, rows, l.h, l.x_after, true);
        }
        products.apply(net.a1, rows, layers.back().x_after, o1, false);
        activate<T>(s.activation, rows, s.n_hidden, net.bias1, o1, o1_f1, o1_f2);
        products.apply(net.a2, rows, o1, o2, false);
        activate<T>(s.activation, rows, s.n_half, net.bias2, o2, o2_f1, o2_f2);
        for (int64_t b = 0; b < n_frames; b++) {
            vec<T> total{};
            for (int64_t i = b * s.n_beads; i < (b + 1) * s.n_beads; i++)
                for (int64_t f = 0; f < s.n_half; f += WIDTH<T>) total += at(o2 + i * s.n_half + f) * at(net.a3 + f);
            energy[b] = sum<T>(total);
        }
    }

    // Pass 2: the adjoint of the energy down to the distances, u = dU/dr, with v_bar = dU/dv for every quantity v. On the
    // way f''(z) of each layer becomes f''(z) times the adjoint of f, which is all that pass 5 needs of it.
    void adjoint() {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t f = 0; f < s.n_half; f += WIDTH<T>) {
                int64_t k = i * s.n_half + f;
                at(q2_bar + k) = at(net.a3 + f) * at(o2_f1 + k);
                at(o2_f2 + k) *= at(net.a3 + f);
            }
        products.apply_adjoint(net.a2, rows, q2_bar, q1_bar, false);
        multiply_elements<T>(rows * s.n_hidden, o1_f2, q1_bar, o1_f2);
        multiply_elements<T>(rows * s.n_hidden, o1_f1, q1_bar, q1_bar);
        products.apply_adjoint(net.a1, rows, q1_bar, x_bar_last, false);
        for (int64_t t = s.n_blocks - 1; t >= 0; t--) {
            Layer& l = layers[t];
            products.apply_adjoint(net.blocks[t].w3, rows, x_bar(t + 1), l.z_bar, false);
            multiply_elements<T>(rows * s.n_features, l.f2, l.z_bar, l.f2);
            multiply_elements<T>(rows * s.n_features, l.f1, l.z_bar, l.z_bar);
            products.apply_adjoint(net.blocks[t].w2, rows, l.z_bar, l.m_bar, false);
            pairs.adjoint(t, table(t), y(t), l.m_bar, t ? l.y_bar : nullptr);
            if (t) {
                std::memcpy(l.x_bar, x_bar(t + 1), sizeof(T) * rows * s.n_features);
                products.apply_adjoint(net.blocks[t].w1, rows, l.y_bar, l.x_bar, true);
            }
        }
    }

    // Pass 3a: F_i = -sum over j of u_ij n_ij, with n_ij = (x_i - x_j) / r_ij.
    void forces(T* out) const {
        for (int64_t k = 0; k < 3 * rows; k++) out[k] = 0;
        pairs.visit([&](int64_t p, int64_t i, int64_t j) {
            for (int k = 0; k < 3; k++) {
                T pull = pairs.u[p] * pairs.normal[3 * p + k];
                out[3 * i + k] -= pull;
                out[3 * j + k] += pull;
            }
        });
    }

    // Pass 3b: the sum of weight (F - F_ref)^2, and lambda = 2 weight (F - F_ref).
    double squared_error(const T* forces, const T* reference, const T* weight) {
        double total = 0;
        for (int64_t k = 0; k < 3 * rows; k++) {
            T error = forces[k] - reference[k];
            total += double(weight[k] * error * error);
            direction[k] = 2 * weight[k] * error;
        }
        return total;
    }
    void set_direction(const T* lambda) { std::memcpy(direction, lambda, sizeof(T) * 3 * rows); }

    // Pass 4: the tangent v_dot of every quantity v when the beads move along -lambda, hence distances by
    // -(lambda_i - lambda_j) . n_ij.
    void tangent() {
        products.coarse = s.bf16;
        pairs.visit([&](int64_t p, int64_t i, int64_t j) {
            T along = 0;
            for (int k = 0; k < 3; k++) along += (direction[3 * i + k] - direction[3 * j + k]) * pairs.normal[3 * p + k];
            pairs.move[p] = -along;
        });
        for (int64_t t = 0; t < s.n_blocks; t++) {
            Layer& l = layers[t];
            if (t) products.apply(net.blocks[t].w1, rows, layers[t - 1].x_dot_after, l.y_dot, false);
            pairs.tangent(t, table(t), t ? l.y_dot : nullptr, y(t), l.m_dot);
            products.apply(net.blocks[t].w2, rows, l.m_dot, l.z_dot, false);
            multiply_elements<T>(rows * s.n_features, l.f1, l.z_dot, l.h_dot);
            if (t) std::memcpy(l.x_dot_after, layers[t - 1].x_dot_after, sizeof(T) * rows * s.n_features);
            products.apply(net.blocks[t].w3, rows, l.h_dot, l.x_dot_after, t > 0);
        }
        products.apply(net.a1, rows, layers.back().x_dot_after, q1_dot, false);
        multiply_elements<T>(rows * s.n_hidden, o1_f1, q1_dot, o1_dot);
        products.apply(net.a2, rows, o1_dot, q2_dot, false);
        multiply_elements<T>(rows * s.n_half, o2_f1, q2_dot, o2_dot);
    }

    // Pass 5: the adjoint v_tilde of the tangent U_dot = sum o2_dot . a3 for every primal quantity v. The adjoint of a
    // tangent v_dot is v_bar of pass 2. A linear layer z = v W^T gives dW += z_tilde^T v + z_bar^T v_dot, and
    // v_tilde = z_tilde W; an activation h = f(z) gives z_tilde = f'(z) h_tilde + f''(z) h_bar z_dot.
    void second_adjoint(Gradient<T>& g) {
        products.bias_gradient(rows, s.n_half, o2_dot, g.a3);
        multiply_elements<T>(rows * s.n_half, o2_f2, q2_dot, q2_dot);  // q2_tilde, as U_dot sees q2 only through f'
        dense_gradient(s.n_half, s.n_hidden, q2_dot, o1, q2_bar, o1_dot, g.a2, g.bias2);
        products.apply_adjoint(net.a2, rows, q2_dot, q1_tilde, false);
        multiply_add_elements<T>(rows * s.n_hidden, q1_tilde, o1_f1, o1_f2, q1_dot, q1_tilde);
        const Layer& last = layers.back();
        dense_gradient(s.n_hidden, s.n_features, q1_tilde, last.x_after, q1_bar, last.x_dot_after, g.a1, g.bias1);
        products.apply_adjoint(net.a1, rows, q1_tilde, x_tilde, false);
        for (int64_t t = s.n_blocks - 1; t >= 0; t--) {
            Layer& l = layers[t];
            auto& block = g.blocks[t];
            dense_gradient(s.n_features, s.n_features, x_tilde, l.h, x_bar(t + 1), l.h_dot, block.w3, block.b3);
            products.apply_adjoint(net.blocks[t].w3, rows, x_tilde, z_tilde, false);
            multiply_add_elements<T>(rows * s.n_features, z_tilde, l.f1, l.f2, l.z_dot, z_tilde);
            dense_gradient(s.n_features, s.n_filters, z_tilde, l.m, l.z_bar, l.m_dot, block.w2, block.b2);
            products.apply_adjoint(net.blocks[t].w2, rows, z_tilde, m_tilde, false);
            pairs.second_adjoint(t, table(t), y(t), t ? l.y_dot : nullptr, l.m_bar, m_tilde, y_tilde,
                                 g.table + t * 2 * s.n_knots * s.n_filters);
            if (t) {
                const Layer& before = layers[t - 1];
                products.weight_gradient(rows, s.n_filters, s.n_features, y_tilde, before.x_after, block.w1);
                products.weight_gradient(rows, s.n_filters, s.n_features, l.y_bar, before.x_dot_after, block.w1);
                products.apply_adjoint(net.blocks[t].w1, rows, y_tilde, x_tilde, true);
            } else {
                sum_over_frames(s.n_beads * s.n_filters, y_tilde, g.y0);
                sum_over_frames(s.n_beads * s.n_features, x_tilde, g.x0);
            }
        }
        products.coarse = false;
    }

  private:
    struct Layer {
        T *y, *m, *m_bar, *y_bar, *h, *f1, *f2, *z_bar, *x_after, *x_bar;
        T *y_dot, *m_dot, *z_dot, *h_dot, *x_dot_after;
    };
    const Network<T>& net;
    const Shape& s;
    Pairs pairs;
    Products<T> products;
    std::vector<Layer> layers;
    int64_t n_frames = 0, rows = 0;
    T *direction, *x_bar_last;
    T *o1, *o1_f1, *o1_f2, *q1_bar, *o2, *o2_f1, *o2_f2, *q2_bar;
    T *q1_dot, *o1_dot, *q1_tilde, *q2_dot, *o2_dot, *x_tilde, *z_tilde, *m_tilde, *y_tilde;

    static int64_t widest(const Shape& s) {
        int64_t a = s.n_features > s.n_filters ? s.n_features : s.n_filters;
        return a > s.n_hidden ? a : s.n_hidden;
    }
    const T* table(int64_t t) const { return net.table + t * 2 * s.n_knots * s.n_filters; }
    Rows<T> y(int64_t t) const { return t ? Rows<T>{layers[t].y, s.n_beads * s.n_filters} : Rows<T>{net.y0, 0}; }
    const T* x_bar(int64_t t) const { return t == s.n_blocks ? x_bar_last : layers[t].x_bar; }

    void dense_gradient(int64_t out, int64_t in, const T* z_tilde, const T* v, const T* z_bar, const T* v_dot, T* weight,
                        T* bias) const {
        products.weight_gradient(rows, out, in, z_tilde, v, weight);
        products.weight_gradient(rows, out, in, z_bar, v_dot, weight);
        products.bias_gradient(rows, out, z_tilde, bias);
    }
    void sum_over_frames(int64_t n, const T* values, T* total) const {
        for (int64_t b = 0; b < n_frames; b++)
            for (int64_t k = 0; k < n; k += WIDTH<T>) at(total + k) += at(values + b * n + k);
    }
};

// Frames [first, last) of a batch; see the exported functions.
template <class T, class Pairs>
void run_with(const Shape& shape, const void* const* weights, void* prepared, void* workspace, int64_t task, int64_t first,
         int64_t last, const T* coords, const T* reference, const T* weight, T* energy, T* forces, T* gradient,
         double* loss_and_range) {
    Workspace packed(prepared), memory(workspace);
    const Network<T> network(shape, weights, packed, false);
    Block<T, Pairs> block(network, task != FORCES, memory);
    Gradient<T> where(shape, gradient);
    for (int64_t b = first; b < last; b += shape.block_frames) {
        const int64_t n = last - b < shape.block_frames ? last - b : shape.block_frames, k = 3 * b * shape.n_beads;
        block.geometry(n, coords + k, loss_and_range + 1);
        block.forward(energy + b);
        block.adjoint();
        block.forces(forces + k);
        if (task == FORCES) continue;
        if (task == SQUARED_ERROR)
            loss_and_range[0] += block.squared_error(forces + k, reference + k, weight + k);
        else
            block.set_direction(reference + k);
        block.tangent();
        block.second_adjoint(where);
    }
}

template <class T, class... Arguments> void run(const Shape& shape, Arguments... arguments) {
    shape.near ? run_with<T, NearPairs<T>>(shape, arguments...) : run_with<T, AllPairs<T>>(shape, arguments...);
}

template <class T> int64_t prepared_bytes(const Shape& shape) {
    Workspace memory(nullptr);
    Network<T>(shape, nullptr, memory, false);
    return memory.used();
}

template <class T> int64_t workspace_bytes(const Shape& shape, bool gradient) {
    Workspace packed(nullptr), memory(nullptr);
    const Network<T> network(shape, nullptr, packed, false);
    if (shape.near)
        Block<T, NearPairs<T>>(network, gradient, memory);
    else
        Block<T, AllPairs<T>>(network, gradient, memory);
    return memory.used();
}

template <class T> void prepare(const Shape& shape, const void* const* weights, void* prepared) {
    Workspace memory(prepared);
    Network<T>(shape, weights, memory, true);
}

}  // namespace

// What Python calls, for float (f32) and double (f64). Arrays are contiguous; `weights` and the flat `gradient`, which is
// added to, are in the order x0, y0, table, then W1 (not of block 0), W2, b2, W3, b3 of each block, A1, a1, A2, a2, a3.
// `reference` is F_ref and `weight` that of its squared error (SQUARED_ERROR), or `reference` is lambda
// (GIVEN_DIRECTION). loss_and_range: the sum of weighted squared errors, the smallest and the largest distance seen.
// Calls on different frames may run at the same time, each with its own workspace, gradient and loss_and_range.
#define EXPORT(T, suffix)                                                                                              \
    extern "C" int64_t cgschnet_prepared_bytes_##suffix(const Shape* shape) { return prepared_bytes<T>(*shape); }      \
    extern "C" int64_t cgschnet_workspace_bytes_##suffix(const Shape* shape, int64_t gradient) {                       \
        return workspace_bytes<T>(*shape, gradient);                                                                   \
    }                                                                                                                  \
    extern "C" void cgschnet_prepare_##suffix(const Shape* shape, const void* const* weights, void* prepared) {        \
        prepare<T>(*shape, weights, prepared);                                                                         \
    }                                                                                                                  \
    extern "C" void cgschnet_run_##suffix(const Shape* shape, const void* const* weights, void* prepared,              \
                                          void* workspace, int64_t task, int64_t first, int64_t last, const T* coords, \
                                          const T* reference, const T* weight, T* energy, T* forces, T* gradient,      \
                                          double* loss_and_range) {                                                    \
        run<T>(*shape, weights, prepared, workspace, task, first, last, coords, reference, weight, energy, forces,     \
               gradient, loss_and_range);                                                                              \
    }

// The pairs of one frame that NearPairs visits: second [at most n_beads (n_beads - 1) / 2] beads of the pairs of each
// bead i, which are those from begin[i] to begin[i + 1].
#define EXPORT_NEAR(T, suffix)                                                                                         \
    extern "C" void cgschnet_near_##suffix(int64_t n_beads, double cutoff, const T* coords, int32_t* begin,            \
                                           int32_t* second) {                                                          \
        std::vector<T> distance(n_beads * (n_beads - 1) / 2 + 1), scratch(4 * n_beads);                                \
        find_near<T>(n_beads, T(cutoff), coords, scratch.data(), begin, second, distance.data());                      \
    }

EXPORT(float, f32)
EXPORT_NEAR(float, f32)
EXPORT_NEAR(double, f64)
EXPORT(double, f64)
extern "C" int64_t has_bf16() { return HAS_BF16; }
