// Engines as twins: each flight updates their sensors, a workflow computes with a C++ function how
// many flights are left, a rule sees an engine near its end and starts a workflow that maintains
// it.
//
//   gemel-maintenance [FILE]     FILE: run-to-failure data in the turbofan format; without one,
//                                ../shared/data/cmapss/train_FD001.txt if it is there, else
//                                engines that the program makes itself

#include "trial.hpp"
#include "turbofan.hpp"

#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr const char* usage = "usage: gemel-maintenance [FILE]\n\n"
                              "  FILE  run-to-failure data in the turbofan format; without one,\n"
                              "        ../shared/data/cmapss/train_FD001.txt if it is there, else\n"
                              "        100 engines that the program makes itself\n";

void tell(const maintenance::findings& found, std::size_t known, std::size_t flown) {
  std::cout << "engines: " << known << " to learn from, " << flown << " others flown\n"
            << "error of the lives computed for these (RMSE): " << found.all.get()
            << " flights over their whole life (more than " << turbofan::life_model::horizon
            << " counted as that), " << found.late.get() << " in the last 50\n"
            << "maintained before they failed: " << found.ahead.size() << " of " << flown;
  if (!found.ahead.empty())
    std::cout << ", " << found.ahead.front() << " to " << found.ahead.back()
              << " flights ahead (median " << found.ahead[found.ahead.size() / 2] << ")";
  std::cout << "\n";
}

} // namespace

int main(int argc, char** argv) {
  const std::string given = argc > 1 ? argv[1] : "";
  if (given == "--help" || given == "-h" || argc > 2) {
    (argc > 2 ? std::cerr : std::cout) << usage;
    return argc > 2 ? 2 : 0;
  }
  std::string file = given.empty() ? "../shared/data/cmapss/train_FD001.txt" : given;
  auto read = turbofan::read_engines(file);
  if (!read.fault.empty() && !given.empty()) {
    std::cerr << "gemel-maintenance: " + read.fault + "\n";
    return 2;
  }
  auto engines = read.fault.empty() ? std::move(read.engines) : turbofan::make_engines(100, 1);
  std::cout << "data: " << (read.fault.empty() ? file : "made up, since there is no " + file)
            << "\n";
  // Every second engine teaches, the others are flown: nothing was learnt from these.
  std::vector<const turbofan::engine*> known;
  std::vector<const turbofan::engine*> flown;
  for (std::size_t i = 0; i < engines.size(); ++i)
    (i % 2 == 0 ? known : flown).push_back(&engines[i]);
  if (flown.empty()) {
    std::cerr << "gemel-maintenance: " + file + ": one engine alone; at least two are needed\n";
    return 2;
  }
  maintenance::trial trial{flown, turbofan::life_model::fit(known)};
  tell(trial.run(), known.size(), flown.size());
  return 0;
}
