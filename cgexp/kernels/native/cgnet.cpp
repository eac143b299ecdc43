// CGnet: energy, forces, and the parameter gradient of a loss of the forces, in one pass over blocks of frames that stay
// in cache. Only coordinates come in; features and their Jacobian live as long as their block.
//
// Network (a frame a row; l = 0 .. L-1; f the activation; q the internal coordinates):
//   a_0 = (q - mean) / std    z_l = a_l W_l^T + b_l    a_{l+1} = f(z_l)    U = a_L . w
//
// The loss is a function of the forces F = -J^T g with g = dU/dq and J = dq/dx; lambda = dL/dF. For any parameter p
//   dL/dp = sum lambda . dF/dp = -d/dp (lambda . grad U) = d/dp (dU along the direction -lambda),
// so passes 4 and 5 differentiate the directional derivative of U, a scalar. J does not depend on p: that derivative
// sees the beads only through q_dot = J (-lambda).
#include "activation.h"
#include "internal_coordinates.h"
#include "layers.h"
#include <vector>

struct Shape {  // widths are multiples of PAD; q is distances of pairs, angles of triples, cosines and sines of quads
    int64_t n_beads, n_pairs, n_triples, n_quads, n_inputs, n_hidden, n_layers, activation, bf16, block_frames;
    const int64_t *pairs, *triples, *quads;
};

// What a call is asked for.
enum Task { FORCES = 0, SQUARED_ERROR = 1, GIVEN_DIRECTION = 2 };

namespace {

template <class T> struct Network {
    Shape s;
    const T *mean, *std;
    std::vector<Weight<T>> weights;
    std::vector<const T*> biases;
    const T* last;

    // Packs the weights into `memory` if `fill`; else they are there already, or only their size is asked for.
    Network(const Shape& shape, const void* const* stored, Workspace& memory, bool fill) : s(shape) {
        auto next = [&] { return static_cast<const T*>(stored ? *stored++ : nullptr); };
        mean = next(), std = next();
        for (int64_t l = 0; l < s.n_layers; l++) {
            const T* weight = next();
            weights.push_back(pack_weight<T>(fill ? weight : nullptr, s.n_hidden, n_in(l), s.bf16, memory));
            biases.push_back(next());
        }
        last = next();
    }
    int64_t n_in(int64_t l) const { return l ? s.n_hidden : s.n_inputs; }
};

// Where each parameter's gradient goes, in the order of the weights. That of mean and std stays zero.
template <class T> struct Gradient {
    std::vector<T*> weights, biases;
    T* last;

    Gradient(const Network<T>& network, T* flat) {
        const Shape& s = network.s;
        auto next = [&](int64_t n) { return flat += n, flat - n; };
        next(2 * s.n_inputs);
        for (int64_t l = 0; l < s.n_layers; l++) {
            weights.push_back(next(s.n_hidden * network.n_in(l)));
            biases.push_back(next(s.n_hidden));
        }
        last = next(s.n_hidden);
    }
};

// One block of frames, and the passes over it.
template <class T> class Block {
  public:
    Block(const Network<T>& network, bool gradient, Workspace& memory)
        : net(network), s(network.s), both(gradient ? 2 : 1), n_values(s.n_pairs + s.n_triples + 2 * s.n_quads),
          products(both * s.block_frames, s.n_inputs > s.n_hidden ? s.n_inputs : s.n_hidden, memory), layers(s.n_layers) {
        const int64_t c = s.block_frames, groups = (c + WIDTH<T> - 1) / WIDTH<T>;
        distances = memory.take<Distance<T>>(groups * s.n_pairs);
        angles = memory.take<Angle<T>>(groups * s.n_triples);
        dihedrals = memory.take<Dihedral<T>>(groups * s.n_quads);
        points = memory.take<Point<T>>(s.n_beads), values = memory.take<vec<T>>(n_values);
        direction = memory.take<T>(3 * c * s.n_beads);
        a_0 = memory.take<T>(both * c * s.n_inputs), a_bar_0 = memory.take<T>(c * s.n_inputs);
        if (a_0) std::memset(a_0, 0, sizeof(T) * both * c * s.n_inputs);  // its padding stays zero
        h = memory.take<T>(c * s.n_hidden);
        for (Layer& l : layers) {
            l.a = memory.take<T>(both * c * s.n_hidden), l.error = memory.take<T>(both * c * s.n_hidden);
            for (T** p : {&l.f1, &l.f2}) *p = memory.take<T>(c * s.n_hidden);
        }
    }

    // The internal coordinates of n frames, z-scored, and their gradients.
    void geometry(int64_t n, const T* coords) {
        n_frames = n;
        for_groups([&](int64_t first, int64_t count, const Distance<T>*, const Angle<T>*, const Dihedral<T>*) {
            const int64_t group = first / WIDTH<T>;
            to_lanes<T>(count, 3 * s.n_beads, 3 * s.n_beads, coords + 3 * first * s.n_beads, lanes(points));
            vec<T>* value = values;
            for (int64_t k = 0; k < s.n_pairs; k++) {
                Distance<T>& q = distances[group * s.n_pairs + k] = distance<T>(points, s.pairs + 2 * k);
                *value++ = q.r;
            }
            for (int64_t k = 0; k < s.n_triples; k++) {
                Angle<T>& q = angles[group * s.n_triples + k] = angle<T>(points, s.triples + 3 * k);
                *value++ = q.theta;
            }
            for (int64_t k = 0; k < s.n_quads; k++) {
                Dihedral<T>& q = dihedrals[group * s.n_quads + k] = dihedral<T>(points, s.quads + 4 * k);
                value[k] = q.cosine, value[s.n_quads + k] = q.sine;
            }
            for (int64_t k = 0; k < n_values; k++) values[k] = (values[k] - net.mean[k]) / net.std[k];
            from_lanes<T>(count, n_values, s.n_inputs, lanes(values), a_0 + first * s.n_inputs);
        });
    }

    // Pass 1: the energy.
    void forward(T* energy) {
        for (int64_t l = 0; l < s.n_layers; l++) {
            products.apply(net.weights[l], n_frames, a(l), a(l + 1), false);
            activate<T>(s.activation, n_frames, s.n_hidden, net.biases[l], a(l + 1), layers[l].f1, layers[l].f2);
        }
        for (int64_t b = 0; b < n_frames; b++) {
            vec<T> total{};
            for (int64_t k = 0; k < s.n_hidden; k += WIDTH<T>)
                total += at(a(s.n_layers) + b * s.n_hidden + k) * at(net.last + k);
            energy[b] = sum<T>(total);
        }
    }

    // Pass 2: the adjoint of the energy, v_bar = dU/dv for every quantity v, down to a_bar_0. On the way f''(z) of each
    // layer becomes f''(z) times the adjoint of f, which is all that pass 5 needs of it.
    void adjoint() {
        for (int64_t b = 0; b < n_frames; b++) std::memcpy(h + b * s.n_hidden, net.last, sizeof(T) * s.n_hidden);
        for (int64_t l = s.n_layers - 1; l >= 0; l--) {
            multiply_elements<T>(hidden(), layers[l].f2, h, layers[l].f2);
            multiply_elements<T>(hidden(), layers[l].f1, h, z_bar(l));
            products.apply_adjoint(net.weights[l], n_frames, z_bar(l), l ? h : a_bar_0, false);
        }
    }

    // Pass 3a: F = -J^T g with g = a_bar_0 / std.
    void forces(T* out) {
        for_groups([&](int64_t first, int64_t count, const Distance<T>* r, const Angle<T>* theta, const Dihedral<T>* phi) {
            to_lanes<T>(count, n_values, s.n_inputs, a_bar_0 + first * s.n_inputs, lanes(values));
            for (int64_t k = 0; k < n_values; k++) values[k] = -values[k] / net.std[k];
            std::memset(points, 0, sizeof(Point<T>) * s.n_beads);
            const vec<T>* g = values;
            for (int64_t k = 0; k < s.n_pairs; k++) add_gradient<T>(r[k], s.pairs + 2 * k, *g++, points);
            for (int64_t k = 0; k < s.n_triples; k++) add_gradient<T>(theta[k], s.triples + 3 * k, *g++, points);
            for (int64_t k = 0; k < s.n_quads; k++)
                add_gradient<T>(phi[k], s.quads + 4 * k, phi[k].cosine * g[s.n_quads + k] - phi[k].sine * g[k], points);
            from_lanes<T>(count, 3 * s.n_beads, 3 * s.n_beads, lanes(points), out + 3 * first * s.n_beads);
        });
    }

    // Pass 3b: the sum of weight (F - F_ref)^2, and lambda = 2 weight (F - F_ref).
    double squared_error(const T* forces, const T* reference, const T* weight) {
        double total = 0;
        for (int64_t k = 0; k < 3 * n_frames * s.n_beads; k++) {
            T error = forces[k] - reference[k];
            total += double(weight[k] * error * error);
            direction[k] = 2 * weight[k] * error;
        }
        return total;
    }
    void set_direction(const T* lambda) { std::memcpy(direction, lambda, sizeof(T) * 3 * n_frames * s.n_beads); }

    // Pass 4: the tangent v_dot of every quantity v when the beads move along -lambda: a_dot_0 = J (-lambda) / std.
    // Where pass 5 wants z_tilde, z_dot waits.
    void tangents() {
        for_groups([&](int64_t first, int64_t count, const Distance<T>* r, const Angle<T>* theta, const Dihedral<T>* phi) {
            to_lanes<T>(count, 3 * s.n_beads, 3 * s.n_beads, direction + 3 * first * s.n_beads, lanes(points));
            vec<T>* q_dot = values;
            for (int64_t k = 0; k < s.n_pairs; k++) *q_dot++ = tangent<T>(r[k], s.pairs + 2 * k, points);
            for (int64_t k = 0; k < s.n_triples; k++) *q_dot++ = tangent<T>(theta[k], s.triples + 3 * k, points);
            for (int64_t k = 0; k < s.n_quads; k++) {
                const vec<T> phi_dot = tangent<T>(phi[k], s.quads + 4 * k, points);
                q_dot[k] = -phi[k].sine * phi_dot, q_dot[s.n_quads + k] = phi[k].cosine * phi_dot;
            }
            for (int64_t k = 0; k < n_values; k++) values[k] = -values[k] / net.std[k];
            from_lanes<T>(count, n_values, s.n_inputs, lanes(values), a_dot(0) + first * s.n_inputs);
        });
        products.coarse = s.bf16;
        for (int64_t l = 0; l < s.n_layers; l++) {
            products.apply(net.weights[l], n_frames, a_dot(l), layers[l].error, false);
            multiply_elements<T>(hidden(), layers[l].f1, layers[l].error, a_dot(l + 1));
        }
        products.coarse = false;
    }

    // Pass 5: the adjoint v_tilde of the tangent U_dot = a_dot_L . w for every primal quantity v. The adjoint of a tangent
    // v_dot is v_bar of pass 2. A layer z = a W^T + b gives dW += z_tilde^T a + z_bar^T a_dot, one product as each pair
    // lies one behind the other, db += z_tilde and a_tilde = z_tilde W; its f gives z_tilde = f' a_tilde + f'' a_bar z_dot.
    void second_adjoint(Gradient<T>& g) {
        products.bias_gradient(n_frames, s.n_hidden, a_dot(s.n_layers), g.last);
        products.coarse = s.bf16;
        for (int64_t l = s.n_layers - 1; l >= 0; l--) {
            T* z_tilde = layers[l].error;
            if (l == s.n_layers - 1)  // U_dot sees a_L through a_dot_L alone
                multiply_elements<T>(hidden(), layers[l].f2, z_tilde, z_tilde);
            else
                multiply_add_elements<T>(hidden(), h, layers[l].f1, layers[l].f2, z_tilde, z_tilde);
            products.weight_gradient(2 * n_frames, s.n_hidden, net.n_in(l), z_tilde, a(l), g.weights[l]);
            products.bias_gradient(n_frames, s.n_hidden, z_tilde, g.biases[l]);
            if (l) products.apply_adjoint(net.weights[l], n_frames, z_tilde, h, false);
        }
        products.coarse = false;
    }

  private:
    struct Layer {
        T *a;      // after it: a_{l+1}, and behind it a_dot_{l+1}
        T *error;  // z_dot, then z_tilde, and behind it z_bar
        T *f1, *f2;
    };
    const Network<T>& net;
    const Shape& s;
    const int64_t both, n_values;
    Products<T> products;
    std::vector<Layer> layers;
    int64_t n_frames = 0;
    Distance<T>* distances;
    Angle<T>* angles;
    Dihedral<T>* dihedrals;
    Point<T>* points;
    vec<T>* values;
    T *direction, *a_0, *a_bar_0, *h;

    int64_t hidden() const { return n_frames * s.n_hidden; }
    T* a(int64_t l) const { return l ? layers[l - 1].a : a_0; }
    T* a_dot(int64_t l) const { return a(l) + n_frames * net.n_in(l); }
    T* z_bar(int64_t l) const { return layers[l].error + (both - 1) * hidden(); }
    template <class V> static T* lanes(V* vectors) { return reinterpret_cast<T*>(vectors); }

    // As many frames as there are lanes: visit(first frame, frames, their distances, angles, dihedrals).
    template <class Visit> void for_groups(const Visit& visit) {
        for (int64_t first = 0, group = 0; first < n_frames; first += WIDTH<T>, group++)
            visit(first, n_frames - first < WIDTH<T> ? n_frames - first : WIDTH<T>, distances + group * s.n_pairs,
                  angles + group * s.n_triples, dihedrals + group * s.n_quads);
    }
};

// Frames [first, last) of a batch; see the exported functions.
template <class T>
void run(const Shape& shape, const void* const* weights, void* prepared, void* workspace, int64_t task, int64_t first,
         int64_t last, const T* coords, const T* reference, const T* weight, T* energy, T* forces, T* gradient,
         double* loss) {
    Workspace packed(prepared), memory(workspace);
    const Network<T> network(shape, weights, packed, false);
    Block<T> block(network, task != FORCES, memory);
    Gradient<T> where(network, gradient);
    for (int64_t b = first; b < last; b += shape.block_frames) {
        const int64_t n = last - b < shape.block_frames ? last - b : shape.block_frames, k = 3 * b * shape.n_beads;
        block.geometry(n, coords + k);
        block.forward(energy + b);
        block.adjoint();
        block.forces(forces + k);
        if (task == FORCES) continue;
        if (task == SQUARED_ERROR)
            *loss += block.squared_error(forces + k, reference + k, weight + k);
        else
            block.set_direction(reference + k);
        block.tangents();
        block.second_adjoint(where);
    }
}

template <class T> int64_t prepared_bytes(const Shape& shape) {
    Workspace memory(nullptr);
    Network<T>(shape, nullptr, memory, false);
    return memory.used();
}

template <class T> int64_t workspace_bytes(const Shape& shape, bool gradient) {
    Workspace packed(nullptr), memory(nullptr);
    const Network<T> network(shape, nullptr, packed, false);
    Block<T>(network, gradient, memory);
    return memory.used();
}

template <class T> void prepare(const Shape& shape, const void* const* weights, void* prepared) {
    Workspace memory(prepared);
    Network<T>(shape, weights, memory, true);
}

}  // namespace

// What Python calls, for float (f32) and double (f64). Arrays are contiguous; `weights` and the flat `gradient`, which is
// added to, are in the order mean, std, then W, b of each layer, w. `reference` is F_ref and `weight` that of its squared
// error (SQUARED_ERROR), or `reference` is lambda (GIVEN_DIRECTION). `loss`: the sum of weighted squared errors is added.
// Calls on different frames may run at the same time, each with its own workspace, gradient and loss.
#define EXPORT(T, suffix)                                                                                              \
    extern "C" int64_t cgnet_prepared_bytes_##suffix(const Shape* shape) { return prepared_bytes<T>(*shape); }         \
    extern "C" int64_t cgnet_workspace_bytes_##suffix(const Shape* shape, int64_t gradient) {                          \
        return workspace_bytes<T>(*shape, gradient);                                                                   \
    }                                                                                                                  \
    extern "C" void cgnet_prepare_##suffix(const Shape* shape, const void* const* weights, void* prepared) {           \
        prepare<T>(*shape, weights, prepared);                                                                         \
    }                                                                                                                  \
    extern "C" void cgnet_run_##suffix(const Shape* shape, const void* const* weights, void* prepared,                 \
                                       void* workspace, int64_t task, int64_t first, int64_t last, const T* coords,    \
                                       const T* reference, const T* weight, T* energy, T* forces, T* gradient,         \
                                       double* loss) {                                                                 \
        run<T>(*shape, weights, prepared, workspace, task, first, last, coords, reference, weight, energy, forces,     \
               gradient, loss);                                                                                        \
    }

EXPORT(float, f32)
EXPORT(double, f64)
extern "C" int64_t has_bf16() { return HAS_BF16; }
