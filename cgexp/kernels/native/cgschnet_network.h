// Sizes of a CGSchNet, where its weights are, and where their gradient goes.
#pragma once
#include "layers.h"
#include <vector>

// Sizes, of which all widths are multiples of PAD; near: whether only pairs within the cutoff are visited.
struct Shape {
    int64_t n_beads, n_blocks, n_features, n_filters, n_hidden, n_half, n_knots, activation, bf16, block_frames, near;
    double start, spacing, decay, even, end, cutoff;
};

template <class T> struct Network {
    struct Interaction {
        Weight<T> w1, w2, w3;
        const T *b2, *b3;
    };
    Shape s;
    const T *x0, *y0, *table;
    std::vector<Interaction> blocks;
    Weight<T> a1, a2;
    const T *bias1, *bias2, *a3;

    // Packs the weights into `memory` if `fill`; else they are there already, or only their size is asked for.
    Network(const Shape& shape, const void* const* weights, Workspace& memory, bool fill) : s(shape) {
        auto next = [&] { return static_cast<const T*>(weights ? *weights++ : nullptr); };
        auto packed = [&](int64_t out, int64_t in) {
            const T* stored = next();
            return pack_weight<T>(fill ? stored : nullptr, out, in, s.bf16, memory);
        };
        x0 = next(), y0 = next(), table = next();
        for (int64_t t = 0; t < s.n_blocks; t++) {
            Interaction block;
            if (t) block.w1 = packed(s.n_filters, s.n_features);
            block.w2 = packed(s.n_features, s.n_filters), block.b2 = next();
            block.w3 = packed(s.n_features, s.n_features), block.b3 = next();
            blocks.push_back(block);
        }
        a1 = packed(s.n_hidden, s.n_features), bias1 = next();
        a2 = packed(s.n_half, s.n_hidden), bias2 = next();
        a3 = next();
    }
};

// Where each parameter's gradient goes, in the order of the weights.
template <class T> struct Gradient {
    struct Interaction {
        T *w1, *w2, *b2, *w3, *b3;
    };
    T *x0, *y0, *table, *a1, *bias1, *a2, *bias2, *a3;
    std::vector<Interaction> blocks;

    Gradient(const Shape& s, T* flat) {
        auto next = [&](int64_t n) { return flat += n, flat - n; };
        x0 = next(s.n_beads * s.n_features), y0 = next(s.n_beads * s.n_filters);
        table = next(s.n_blocks * 2 * s.n_knots * s.n_filters);
        for (int64_t t = 0; t < s.n_blocks; t++) {
            Interaction g;
            g.w1 = t ? next(s.n_filters * s.n_features) : nullptr;
            g.w2 = next(s.n_features * s.n_filters), g.b2 = next(s.n_features);
            g.w3 = next(s.n_features * s.n_features), g.b3 = next(s.n_features);
            blocks.push_back(g);
        }
        a1 = next(s.n_hidden * s.n_features), bias1 = next(s.n_hidden);
        a2 = next(s.n_half * s.n_hidden), bias2 = next(s.n_half);
        a3 = next(s.n_half);
    }
};
