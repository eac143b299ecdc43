// Vectors of the widest registers that the machine has, and memory that is handed out from one block.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

// Rows of features are padded with zeros to a multiple of PAD numbers, so that no loop over features has a tail.
constexpr int64_t PAD = 16;
inline int64_t padded(int64_t n) { return (n + PAD - 1) / PAD * PAD; }

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX__)
constexpr int VECTOR_BYTES = 32;
#else
constexpr int VECTOR_BYTES = 16;
#endif

template <class T> struct Vector;
template <> struct Vector<float> {
    typedef float type __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
    typedef int32_t integers __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
    static constexpr int width = VECTOR_BYTES / 4;
};
template <> struct Vector<double> {
    typedef double type __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
    typedef int64_t integers __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
    static constexpr int width = VECTOR_BYTES / 8;
};
template <class T> using vec = typename Vector<T>::type;
template <class T> constexpr int WIDTH = Vector<T>::width;

template <class T> inline vec<T>& at(T* p) { return *reinterpret_cast<vec<T>*>(p); }
template <class T> inline const vec<T>& at(const T* p) { return *reinterpret_cast<const vec<T>*>(p); }

// Halves are added until one number is left: fewer steps wait for each other than one by one.
template <class T> inline T sum(vec<T> v) {
    T part[WIDTH<T>];
    at(part) = v;
    for (int n = WIDTH<T> / 2; n; n /= 2)
        for (int i = 0; i < n; i++) part[i] += part[i + n];
    return part[0];
}

// Hands out parts of one block of memory. Without a block it only counts, which tells how large the block must be.
class Workspace {
  public:
    explicit Workspace(void* block) : base_(static_cast<char*>(block)) {}
    template <class T> T* take(int64_t n) {
        int64_t here = used_;
        used_ += (n * int64_t(sizeof(T)) + 63) / 64 * 64;
        return base_ ? reinterpret_cast<T*>(base_ + here) : nullptr;
    }
    int64_t used() const { return used_; }

  private:
    char* base_;
    int64_t used_ = 0;
};
