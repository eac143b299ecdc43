// Energy and forces of a coarse-grained model in C++: ./energy energy_kcal_mol_angstrom.pt < positions.txt
//
// positions.txt: x y z of each bead, in the unit of length that the file's name says. Prints the energy, then the force on
// each bead. Needs libtorch (that of Python's torch serves): see CMakeLists.txt.

#include <torch/script.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s energy_<units>.pt < positions.txt\n", argv[0]);
    return 2;
  }
  std::vector<double> numbers;
  for (double number; std::cin >> number;) numbers.push_back(number);
  if (!std::cin.eof() || numbers.empty() || numbers.size() % 3 != 0) {
    std::fprintf(stderr, "%s: expected x y z of each bead, and read %zu numbers\n", argv[0], numbers.size());
    return 2;
  }
  try {
    torch::jit::Module model = torch::jit::load(argv[1]);
    const auto n_beads = static_cast<long>(numbers.size() / 3);
    at::Tensor positions = torch::from_blob(numbers.data(), {n_beads, 3}, torch::kFloat64).clone().requires_grad_(true);
    at::Tensor energy = model.forward({positions}).toTensor();
    energy.backward();
    at::Tensor forces = -positions.grad();
    std::printf("%.17g\n", energy.item<double>());
    for (long bead = 0; bead < n_beads; ++bead) {
      for (long axis = 0; axis < 3; ++axis) std::printf("%.17g ", forces[bead][axis].item<double>());
      std::printf("\n");
    }
  } catch (const std::exception&) {  // its text holds pages of the program's own names
    std::fprintf(stderr, "%s: no energy from %s: expected a file of this export, and all its beads\n", argv[0], argv[1]);
    return 2;
  }
}
