// Activation functions with their first and second derivatives. Numbers that are not finite stay so.
#pragma once
#include "vector.h"

enum Activation { TANH = 0, SILU = 1, SOFTPLUS = 2, GELU = 3, RELU = 4 };

// exp(x) - 1 for 0 <= x <= 80 (float) or 700 (double), to full relative precision also near zero:
// x = n ln 2 + r with |r| <= ln 2 / 2, so that exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1), and a Taylor series for r.
template <class T> inline vec<T> expm1_positive(vec<T> x) {
    typedef typename Vector<T>::integers integers;
    constexpr bool single = sizeof(T) == 4;
    constexpr int mantissa = single ? 23 : 52, bias = single ? 127 : 1023, degree = single ? 8 : 14;
    // adding 1.5 * 2^mantissa leaves the nearest integer in the low bits
    const T shifter = T(1.5) * T(int64_t(1) << mantissa);
    const T ln2_high = single ? T(0.693359375) : T(6.93145751953125e-1);
    const T ln2_low = single ? T(-2.12194440e-4) : T(1.42860682030941723212e-6);
    vec<T> shifted = x * T(1.4426950408889634) + shifter;
    vec<T> n = shifted - shifter;
    vec<T> r = (x - n * ln2_high) - n * ln2_low;
    vec<T> series = r * T(0) + T(1) / T(degree);
    for (int k = degree - 1; k >= 1; k--) series = (series * r + T(1)) * (T(1) / T(k));
    series *= r;  // r (1 + r/2 (1 + r/3 (...))) = exp(r) - 1
    integers exponent = (integers)shifted - (integers)(vec<T>{} + shifter) + bias;
    vec<T> scale = (vec<T>)(exponent << mantissa);
    return scale * series + (scale - T(1));
}

template <class T> inline vec<T> absolute(vec<T> x) { return x < T(0) ? -x : x; }

// tanh|x| = e / (e + 2) with e = exp(2|x|) - 1; beyond 20 it is 1 to all digits
template <class T> inline vec<T> tanh_of(vec<T> x) {
    vec<T> a = absolute<T>(x);
    vec<T> twice = T(2) * (a < T(20) ? a : vec<T>{} + T(20));
    vec<T> e = expm1_positive<T>(twice);
    vec<T> t = e / (e + T(2));
    t = x < T(0) ? -t : t;
    return x == x ? t : x;
}

// 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2
template <class T> inline vec<T> sigmoid_of(vec<T> x) { return T(0.5) + T(0.5) * tanh_of<T>(T(0.5) * x); }

template <class T> inline void slopes_of(int kind, vec<T> z, vec<T>& h, vec<T>& first, vec<T>& second) {
    if (kind == TANH) {
        h = tanh_of<T>(z);
        first = T(1) - h * h;
        second = T(-2) * h * first;
    } else if (kind == SILU) {
        vec<T> s = sigmoid_of<T>(z), slope = s * (T(1) - s);
        h = z * s;
        first = s + z * slope;
        second = slope * (T(2) + z * (T(1) - T(2) * s));
    } else if (kind == SOFTPLUS) {
        // log(1 + exp(z)); beyond 20 it is z, as in torch
        for (int i = 0; i < WIDTH<T>; i++)
            h[i] = z[i] > 20 ? z[i] : std::log1p(std::exp(-std::abs(z[i]))) + (z[i] < 0 ? T(0) : z[i]);
        first = z > T(20) ? vec<T>{} + T(1) : sigmoid_of<T>(z);
        second = first * (T(1) - first);
    } else if (kind == GELU) {
        for (int i = 0; i < WIDTH<T>; i++) {
            T x = z[i], below = T(0.5) * (T(1) + std::erf(x * T(0.7071067811865476)));
            T density = T(0.3989422804014327) * std::exp(T(-0.5) * x * x);
            h[i] = x * below;
            first[i] = below + x * density;
            second[i] = density * (T(2) - x * x);
        }
    } else {
        h = z > T(0) ? z : z * T(0);
        first = z > T(0) ? vec<T>{} + T(1) : z * T(0);
        second = z * T(0);
    }
}

// h = f(z + bias) in place of z, and f', f'' of it: [rows, width]
template <class T>
void activate(int kind, int64_t rows, int64_t width, const T* bias, T* z_then_h, T* first, T* second) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t f = 0; f < width; f += WIDTH<T>) {
            int64_t i = row * width + f;
            vec<T> h, f1, f2;
            slopes_of<T>(kind, at(z_then_h + i) + at(bias + f), h, f1, f2);
            at(z_then_h + i) = h;
            at(first + i) = f1;
            at(second + i) = f2;
        }
}
